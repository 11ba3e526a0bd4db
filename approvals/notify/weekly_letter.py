"""The mail with a week's summary, to everybody who manages."""

from datetime import date, datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from approvals import links
from approvals.models import Delivery, WeeklySummary
from approvals.notify import alarms

TOPIC = "weekly summary"


def write(summary: WeeklySummary, *, now: datetime) -> None:
    """A mail to each manager who takes mails."""
    managers = alarms.by_mail().filter(is_manager=True)
    payload = {"week": summary.first.isoformat()}
    alarms.raise_alarm(TOPIC, [(person, {"payload": payload}) for person in managers], now=now)


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
    ]
    return subject, "\n".join(lines) + f"\n\n{links.link(links.Page.WEEK, summary.first.isoformat())}\n"
