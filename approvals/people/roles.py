"""What an admin may do, as code: the group *Admins* is set to exactly this after every migration."""

from django.apps import AppConfig, apps
from django.contrib.auth.models import Group, Permission
from django.db.models import Q, QuerySet

ADMINS = "Admins"

# By the name of the model: nothing that was decided is here, and no content of an approval.
_MAY = {
    "user": ("view", "add", "change"),
    "membership": ("view", "add", "change", "delete"),
    "secondadminrequest": ("view",),
    "absence": ("view", "add", "change", "delete"),
    "domain": ("view", "add", "change"),
    "tier": ("view", "add", "change"),
    "capacity": ("view", "add", "change", "delete"),
    "domainterms": ("view", "add", "change", "delete"),
    "actiontype": ("view", "add", "change"),
    "threshold": ("view", "add", "change", "delete"),
    "rule": ("view", "add", "change", "delete"),
    "currency": ("view", "add", "change"),
    "autonomy": ("view", "add", "change"),
    "breaker": ("view", "add"),
    "agent": ("view", "add", "change"),
    "apikey": ("view", "add", "change"),
    "endpoint": ("view", "add", "change"),
    "delivery": ("view",),
    "channel": ("view", "add", "change", "delete"),
    "signingkey": ("view", "change"),
    "policyversion": ("view", "add"),  # to add one is to publish
}


def admin_permissions() -> QuerySet[Permission]:
    """The permissions of people who configure policy, people and agents, and decide nothing by that."""
    condition = Q()
    for model, verbs in _MAY.items():
        condition |= Q(content_type__model=model, codename__in=[f"{verb}_{model}" for verb in verbs])
    return Permission.objects.filter(condition, content_type__app_label__in=["approvals", "agents"])


def set_admins(sender: AppConfig, **_: object) -> None:
    """After a migration, once the last app's permissions exist: the group has exactly these."""
    if sender.label not in {"approvals", "agents"} or not apps.is_installed("django.contrib.auth"):
        return
    group, _made = Group.objects.get_or_create(name=ADMINS)
    group.permissions.set(admin_permissions())
