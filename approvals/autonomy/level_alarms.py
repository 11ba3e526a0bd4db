"""Who hears at once that an agent lost a level, earned one, or has everything asked: a mail written with the change.

Managers, and the people of the tier that will have to decide what is asked now.
"""

from collections.abc import Mapping
from datetime import datetime

from django.utils.translation import gettext as _

from approvals import links
from approvals.models import Autonomy, Breaker, Delivery, User
from approvals.notify import alarms
from approvals.people.roster import Reviewers
from approvals.policy import snapshot

OPENED, LOWERED, EARNED = "breaker.opened", "level.lowered", "level.earned"
ALARMS = (OPENED, LOWERED, EARNED)


def tell_opened(breaker: Breaker, *, now: datetime) -> None:
    """Tell that a breaker opened."""
    people = _people(breaker, now=now)
    _write(OPENED, people, {"breaker": str(breaker.pk)}, now=now)


def tell_lowered(autonomy: Autonomy, *, from_level: int, to_level: int, now: datetime) -> None:
    """Tell that a level was lost."""
    payload = {"autonomy": autonomy.pk, "from": from_level, "to": to_level}
    _write(LOWERED, _people(autonomy, now=now), payload, now=now)


def tell_earned(autonomy: Autonomy, *, impact: str, now: datetime) -> None:
    """Tell managers that the next level is earned, and waits to be signed."""
    _write(EARNED, _managers(), {"autonomy": autonomy.pk, "impact": impact}, now=now)


def _managers() -> list[User]:
    return list(alarms.by_mail().filter(is_manager=True))


def _people(row: Autonomy | Breaker, *, now: datetime) -> list[User]:
    people = {person.pk: person for person in _managers()}
    kind = snapshot.current().types.get(row.action_type_id or "")
    if kind is not None:
        reviewing = Reviewers(now).of_tier(kind.tier, kind.domain, row.agent_id)
        people |= {person.pk: person for person in alarms.by_mail().filter(pk__in=reviewing)}
    return list(people.values())


def _write(topic: str, people: list[User], payload: Mapping[str, object], *, now: datetime) -> None:
    alarms.raise_alarm(topic, [(person, {"payload": payload}) for person in people], now=now)


def letter(delivery: Delivery) -> tuple[str, str] | None:
    """Subject and body; None for a breaker that is closed, and a level that was signed, by now."""
    return _of_breaker(delivery) if delivery.topic == OPENED else _of_level(delivery)


def _of_breaker(delivery: Delivery) -> tuple[str, str] | None:
    breakers = Breaker.objects.select_related("agent", "action_type")
    breaker = breakers.filter(pk=delivery.payload["breaker"], closed_at=None).first()
    if breaker is None:
        return None
    subject = _("Breaker opened: %(what)s") % {"what": breaker}
    body = _(
        "%(cause)s, at %(at)s UTC. Until a manager closes the breaker, everything asks a person.\n"
        "It closes after a trial: of %(most)d considered decisions at most %(wrong)d may be wrong.\n\n%(link)s\n"
    ) % {
        "cause": breaker.get_cause_display(),
        "at": f"{breaker.opened_at:%Y-%m-%d %H:%M:%S}",
        "most": breaker.trial_decisions,
        "wrong": breaker.trial_wrong,
        "link": links.link(links.Page.BREAKER, breaker.pk),
    }
    return subject, body


def _of_level(delivery: Delivery) -> tuple[str, str] | None:
    rows = Autonomy.objects.select_related("agent", "action_type")
    autonomy = rows.filter(pk=delivery.payload["autonomy"]).first()
    if autonomy is None:
        return None
    what = {"agent": autonomy.agent.name, "action": autonomy.action_type.title}
    link = links.link(links.Page.CELL, autonomy.pk)
    if delivery.topic == EARNED:
        if not autonomy.evidence.filter(impact=delivery.payload["impact"], earned=True).exists():
            return None
        subject = _("%(agent)s has earned its next level for %(action)s") % what
        return subject, _("Nothing changes until a manager signs it. The numbers:\n\n%(link)s\n") % {"link": link}
    levels = {"from": delivery.payload["from"], "to": delivery.payload["to"]}
    subject = _("%(agent)s lost a level for %(action)s") % what
    body = _("From level %(from)d to level %(to)d, from now on. On what numbers, and how it went:") % levels
    return subject, f"{body}\n\n{link}\n"
