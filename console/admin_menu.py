"""The admin's frame: its navigation, where each link shows to those who may open it, and the person's appearance."""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from approvals.models import User
from approvals.people import second_admin

_GROUPS = (
    (
        _("Policy"),
        (
            (_("Action types"), "rule_settings", "approvals_actiontype"),
            (_("Rules"), "alt_route", "approvals_rule"),
            (_("Tiers"), "stacks", "approvals_tier"),
            (_("Domains"), "category", "approvals_domain"),
            (_("Currencies"), "payments", "approvals_currency"),
            (_("Versions"), "history", "approvals_policyversion"),
        ),
    ),
    (
        _("People"),
        (
            (_("People"), "group", "approvals_user"),
            (_("Second admin"), "how_to_reg", "approvals_secondadminrequest"),
            (_("Absences"), "event_busy", "approvals_absence"),
            (_("Channels"), "notifications", "approvals_channel"),
        ),
    ),
    (
        _("Agents"),
        (
            (_("Agents"), "smart_toy", "approvals_agent"),
            (_("Keys"), "key", "agents_apikey"),
            (_("Webhooks"), "webhook", "approvals_endpoint"),
            (_("Deliveries"), "outbox", "approvals_delivery"),
            (_("Signing keys"), "encrypted", "approvals_signingkey"),
            (_("Autonomy"), "tune", "approvals_autonomy"),
            (_("Breakers"), "power_off", "approvals_breaker"),
        ),
    ),
    (
        _("Records"),
        (
            (_("Approvals"), "fact_check", "approvals_approval"),
            (_("Decisions"), "gavel", "approvals_decision"),
            (_("Events"), "timeline", "approvals_auditevent"),
            (_("Incidents"), "report", "approvals_incident"),
        ),
    ),
)
# Whoever may not open these lacks the permission altogether; superusers have every permission.
_RECORDS = {"approvals_approval", "approvals_decision", "approvals_auditevent", "approvals_incident"}


def groups(request: HttpRequest) -> list[dict[str, object]]:
    """What Unfold draws as sidebar; groups without a link are left out. The help ends it."""
    drawn = []
    for title, links in _GROUPS:
        items = [
            {"title": name, "icon": icon, "link": reverse(f"admin:{page}_changelist"), **_badge(request, page)}
            for name, icon, page in links
            if _may_open(request, page)
        ]
        if items:
            drawn.append({"title": title, "separator": True, "items": items})
    pages = (("new-domain", _("Set up a domain"), "checklist"), ("policy", _("How policy works"), "help"))
    subject = [{"title": name, "icon": icon, "link": reverse("help:page", args=[page])} for page, name, icon in pages]
    return [*drawn, {"title": _("Help"), "separator": True, "items": subject}]


def _badge(request: HttpRequest, page: str) -> dict[str, object]:
    """How many requests wait for this admin's answer; nothing where none does."""
    if page != "approvals_secondadminrequest" or not isinstance(request.user, User):
        return {}
    waiting = second_admin.waiting_for(request.user)
    return {"badge": str(waiting), "badge_variant": "primary"} if waiting else {}


def _may_open(request: HttpRequest, page: str) -> bool:
    if page in _RECORDS:
        return request.user.is_superuser
    app, _sep, model = page.partition("_")
    return request.user.has_perm(f"{app}.view_{model}")


def theme(request: HttpRequest) -> str | None:
    """The appearance that the person chose for the console; None leaves it to the system."""
    chosen = getattr(request.user, "theme", "system")
    return chosen if chosen in {"light", "dark"} else None
