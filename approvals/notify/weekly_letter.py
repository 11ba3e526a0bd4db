"""The message with a week's summary, to everybody who manages."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from approvals import links
from approvals.models import Channel, Delivery, SystemAuditEvent, User, WeeklySummary
from approvals.notify import alarms, notifications

Kind = SystemAuditEvent.Kind
TOPIC = "weekly summary"


def write(summary: WeeklySummary, *, now: datetime) -> None:
    """A message by each channel on which a manager takes what is not urgent; a mail to those who have none."""
    payload = {"week": summary.first.isoformat()}
    calm = (Channel.Carries.NORMAL, Channel.Carries.BOTH)
    managers = User.objects.filter(is_manager=True, is_active=True)
    channels = Channel.objects.filter(user__in=managers, active=True, carries__in=calm).select_related("user")
    used = [channel for channel in channels if channel.user and (channel.user.email or not channel.is_mail)]
    notifications.write_letters(used, TOPIC, payload, now=now)
    others = alarms.by_mail().filter(is_manager=True).exclude(pk__in=[channel.user_id for channel in used])
    alarms.raise_alarm(TOPIC, [(person, {"payload": payload}) for person in others], now=now)


def _autonomy(counts: Mapping[str, int]) -> list[str]:
    """What changed in how much agents may do by themselves; nothing where nothing did."""
    parts = [f"{Kind(kind).label}: {counts[kind]}" for kind in Kind if counts.get(kind)]
    return [_("Autonomy. %(changes)s.") % {"changes": ", ".join(parts)}] if parts else []


def letter(delivery: Delivery) -> tuple[str, str] | None:
    """Subject and body: the few figures that a week is known by, and where the rest is."""
    summary = WeeklySummary.objects.filter(pk=date.fromisoformat(delivery.payload["week"])).first()
    if summary is None:
        return None
    figures, cost = summary.content["figures"], summary.content["cost"]
    last = summary.first + timedelta(days=6)
    subject = _("Week of %(first)s to %(last)s") % {"first": summary.first, "last": last}
    hours = cost["viewed_seconds"] / 3600
    lines = [
        _("%(submitted)d proposals arrived, %(auto)d passed by policy, people decided %(decided)d.") % figures,
        _("Of %(judged)d they approved %(approved)d unchanged, modified %(modified)d and rejected %(rejected)d.")
        % figures,
        ngettext(
            "Reviewers spent %(hours).1f hours; there was %(count)d incident, which cost %(cost)s in base currency.",
            "Reviewers spent %(hours).1f hours; there were %(count)d incidents, which cost %(cost)s in base currency.",
            cost["incidents"],
        )
        % {"hours": hours, "count": cost["incidents"], "cost": cost["incident_cost"]},
        *_autonomy(summary.content["autonomy"]["counts"]),
    ]
    return subject, "\n".join(lines) + f"\n\n{links.link(links.Page.WEEK, summary.first.isoformat())}\n"
