"""What agents and people's tools present instead of a password."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from approvals.db.ids import new_id
from approvals.models import Agent, User


class Scope(models.TextChoices):
    """What a key of an agent may be used for."""

    SUBMIT = "submit", _("Submit, revise and withdraw requests")
    READ = "read", _("Read requests, decisions and events")
    EXECUTE = "execute", _("Use permits, report steps and outcomes")


def every_scope() -> list[str]:
    return list(Scope.values)


class ApiKey(models.Model):
    """A key of an agent (`asn_…`) or a personal token (`asp_…`): shown once, stored as a hash with a visible prefix."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(
        Agent, models.CASCADE, related_name="keys", null=True, blank=True, verbose_name=_("agent")
    )
    user = models.ForeignKey(
        User, models.CASCADE, related_name="tokens", null=True, blank=True, verbose_name=_("person")
    )
    name = models.CharField(_("name"), max_length=80, blank=True)
    scopes = ArrayField(
        models.CharField(max_length=10, choices=Scope.choices), verbose_name=_("may"), default=every_scope
    )
    prefix = models.CharField(_("starts with"), max_length=12, editable=False)
    hash = models.CharField(max_length=64, unique=True, editable=False)
    password_mark = models.CharField(
        max_length=64, blank=True, editable=False, help_text="Of a person: the password that the token ends with."
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)

    class Meta:
        verbose_name = _("key")
        verbose_name_plural = _("keys")
        constraints = [
            models.CheckConstraint(
                condition=Q(agent__isnull=False, user=None) | Q(agent=None, user__isnull=False),
                name="key_of_an_agent_or_a_person",
            )
        ]

    def __str__(self) -> str:
        return f"{self.prefix}…"
