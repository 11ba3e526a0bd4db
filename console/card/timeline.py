"""What happened to an approval, event by event, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import singledispatch

from django.db.models import TextChoices
from django.utils.translation import gettext as _

from approvals.history.facts import (
    Alarmed,
    Amended,
    Claimed,
    Commented,
    Consumed,
    Counted,
    Decided,
    DeliveryFailed,
    Disclosed,
    Ended,
    Expired,
    Facts,
    Granted,
    Guided,
    IncidentOpened,
    Overdue,
    PostReviewed,
    QuestionAnswered,
    QuestionAsked,
    Recalled,
    Released,
    Reported,
    Returned,
    Reversed,
    Snoozed,
    StageChange,
    Staged,
    Submitted,
    Superseded,
    Unclaimed,
    Undo,
    facts_of,
)
from approvals.models import Approval, AuditEvent, Decision, Recall, User, Vote
from approvals.models.seeded import CaseOutcome, FaultClass
from approvals.models.verdict import RecallReason, RejectionReason
from console.labels import ACTORS, DONE, FINDINGS, HELD, OUTCOMES, WHYS


@dataclass(frozen=True, slots=True)
class Moment:
    """One event of the timeline in words."""

    event: AuditEvent
    title: str
    who: str
    details: str
    text: str
    sealed: bool


def moments_of(approval: Approval, *, content: bool) -> list[Moment]:
    """All of it, oldest first; what people wrote with it only where the reader may know the content."""
    events = approval.events.select_related("user", "agent", "seal").order_by("seq")
    if not content:
        return [_moment(event, "", _absent_person(event)) for event in events]
    notes = dict(approval.notes.values_list("seq", "text"))
    messages = dict(Decision.objects.filter(approval=approval).values_list("decided_at", "message"))
    messages |= dict(Recall.objects.filter(approval=approval).values_list("recalled_at", "message"))
    messages |= dict(Vote.objects.filter(approval=approval).values_list("created_at", "note"))
    return [
        _moment(event, notes.get(event.seq) or messages.get(event.at) or "", _absent_person(event)) for event in events
    ]


def _absent_person(event: AuditEvent) -> str:
    """The name of who was away, where somebody did it in that person's place."""
    facts = facts_of(event)
    username = facts.in_place_of if isinstance(facts, Counted | Decided | Recalled) else None
    if not username:
        return ""
    away = User.objects.filter(username=username).first()
    return away.name if away else username


_SPOKEN = {
    AuditEvent.Kind.DECIDED,
    AuditEvent.Kind.COMMENTED,
    AuditEvent.Kind.ESCALATED,
    AuditEvent.Kind.VOTED,
    AuditEvent.Kind.MODIFIED,
    AuditEvent.Kind.STAGED,
    AuditEvent.Kind.REVIEWED,
    AuditEvent.Kind.VETOED,
    AuditEvent.Kind.RECALLED,
}


def _moment(event: AuditEvent, text: str, absent: str = "") -> Moment:
    """`text` is what its actor wrote with it, `absent` in whose place."""
    facts = facts_of(event)
    person = event.user or event.agent
    who = person.name if person else str(ACTORS.get(event.actor, event.actor))
    if absent:
        who = _("%(who)s for %(absent)s") % {"who": who, "absent": absent}
    details = " · ".join(filter(None, details_of(facts)))
    shown = text if event.kind in _SPOKEN else ""
    return Moment(event, _title(facts), who, details, shown, hasattr(event, "seal"))


def _title(facts: Facts) -> str:
    if isinstance(facts, Decided) and facts.verdict in DONE:
        return str(DONE[facts.verdict])
    if isinstance(facts, Staged) and facts.stage is not None:
        return _("Approved stage %(stage)s of %(stages)s") % {"stage": facts.stage, "stages": facts.stages}
    if isinstance(facts, DeliveryFailed):
        return _("Notification failed")
    return str(facts.kind.label)


# --- What each kind says beside its title


@singledispatch
def details_of(facts: Facts) -> list[str]:
    """What the history line says of an event beside its title; parts may be empty."""
    raise NotImplementedError(type(facts).__name__)


@details_of.register(Unclaimed)
@details_of.register(Commented)
@details_of.register(QuestionAsked)
@details_of.register(QuestionAnswered)
@details_of.register(Guided)
@details_of.register(Overdue)
@details_of.register(Expired)
@details_of.register(Superseded)
@details_of.register(Consumed)
@details_of.register(Alarmed)
@details_of.register(Reversed)
@details_of.register(Undo)
def _nothing(facts: Facts) -> list[str]:
    return []


@details_of.register
def _submitted(facts: Submitted) -> list[str]:
    return [_("came back, approved before")] if facts.returned_from else []


@details_of.register
def _amended(facts: Amended) -> list[str]:
    return [_edited(facts.edited), _tiers(facts)]


@details_of.register
def _claimed(facts: Claimed) -> list[str]:
    return [_("taken over from %s") % facts.taken_from if facts.taken_from else ""]


@details_of.register
def _snoozed(facts: Snoozed) -> list[str]:
    return [_until(facts.until), _("back in the list") if facts.over else ""]


@details_of.register
def _stage_change(facts: StageChange) -> list[str]:
    return [_tiers(facts)]


@details_of.register
def _vote(facts: Counted) -> list[str]:
    counted = _("vote %(votes)s of %(of)s") % {"votes": facts.votes, "of": facts.of} if facts.of != 1 else ""
    return [_edited(facts.edited), counted, "" if isinstance(facts, Staged) else _stage(facts), _tiers(facts)]


@details_of.register
def _decided(facts: Decided) -> list[str]:
    instead = _("instead: %s") % facts.alternative if facts.alternative else ""
    return [_reason(RejectionReason, facts.reason), _edited(facts.edited), instead, _stage(facts)]


@details_of.register
def _released(facts: Released) -> list[str]:
    return [
        str(WHYS.get(facts.post_review, "")) if facts.post_review else "",
        _("by an approved plan, step %s") % facts.step if facts.plan else "",
        _("by a standing approval") if facts.grant else "",
    ]


@details_of.register
def _recalled(facts: Recalled) -> list[str]:
    return [_reason(RecallReason, facts.reason), _("together with its plan") if facts.with_plan else ""]


@details_of.register
def _ended(facts: Ended) -> list[str]:
    return [str(HELD.get(facts.held, "")) if facts.held else ""]


@details_of.register
def _reported(facts: Reported) -> list[str]:
    result = _("result: %s") % OUTCOMES[facts.result] if facts.result in OUTCOMES else ""
    return [result, _("its permit was not used") if facts.permit == "not used" else ""]


@details_of.register
def _returned(facts: Returned) -> list[str]:
    return [_("no longer so: %s") % ", ".join(facts.moved)]


@details_of.register
def _granted(facts: Granted) -> list[str]:
    times = _("%s times") % facts.most if facts.most else ""
    return [_until(facts.until), _("revoked") if facts.revoked else "", times]


@details_of.register
def _incident(facts: IncidentOpened) -> list[str]:
    return [_("it had been recalled") if facts.recalled else ""]


@details_of.register
def _disclosed(facts: Disclosed) -> list[str]:
    fault, outcome = dict(FaultClass.choices), dict(CaseOutcome.choices)
    return [str(fault.get(facts.fault, facts.fault)), str(outcome.get(facts.outcome, facts.outcome))]


@details_of.register
def _delivery_failed(facts: DeliveryFailed) -> list[str]:
    return [_("%(to)s was not reached by %(by)s") % {"to": facts.to, "by": facts.by}]


@details_of.register
def _post_reviewed(facts: PostReviewed) -> list[str]:
    return [
        str(FINDINGS.get(facts.finding, "")),
        _("its permit was taken back") if facts.permit == "taken back" else "",
        _("its agent is asked to undo it") if facts.undo == "asked" else "",
    ]


def _reason(reasons: type[TextChoices], reason: str | None) -> str:
    return _("reason: %s") % reasons(reason).label if reason in reasons.values else ""


def _edited(paths: Sequence[str] | None) -> str:
    return _("edited: %s") % ", ".join(paths) if paths else ""


def _stage(facts: Counted | Decided) -> str:
    if facts.stage is None:
        return ""
    return _("stage %(stage)s of %(stages)s") % {"stage": facts.stage, "stages": facts.stages}


def _until(until: datetime | None) -> str:
    return _("until %s UTC") % f"{until.astimezone(UTC):%Y-%m-%d %H:%M}" if until else ""


def _tiers(facts: StageChange) -> str:
    """From where to where it went."""
    if facts.from_tier is None:
        return ""
    names = {"from": facts.from_tier, "to": facts.to_tier}
    if facts.to_domain is None:
        return _("tier %(from)s to %(to)s") % names
    domains = {"from_domain": facts.from_domain, "to_domain": facts.to_domain}
    return _("tier %(from)s %(from_domain)s to tier %(to)s %(to_domain)s") % {**names, **domains}
