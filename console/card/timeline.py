"""What happened to an approval, event by event, in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from approvals.models import Approval, AuditEvent, Decision, Recall, User, Vote
from approvals.models.verdict import RecallReason, RejectionReason
from approvals.values.schema import Json
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
    username = str(event.facts.get("for") or "")
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


def _tiers(facts: Mapping[str, Json]) -> str:
    """From where to where it went."""
    if not {"from", "to"} <= facts.keys() or not isinstance(facts["to"], int):
        return ""
    if "to_domain" in facts:
        return _("tier %(from)s %(from_domain)s to tier %(to)s %(to_domain)s") % facts
    return _("tier %(from)s to %(to)s") % facts


def _moment(event: AuditEvent, text: str, absent: str = "") -> Moment:
    """`text` is what its actor wrote with it, `absent` in whose place."""
    facts = event.facts
    reasons = dict((RecallReason if event.kind == AuditEvent.Kind.RECALLED else RejectionReason).choices)
    title = event.get_kind_display()
    if event.kind == AuditEvent.Kind.DECIDED and facts.get("verdict") in DONE:
        title = str(DONE[str(facts["verdict"])])
    elif event.kind == AuditEvent.Kind.STAGED and {"stage", "stages"} <= facts.keys():
        title = _("Approved stage %(stage)s of %(stages)s") % facts
    elif event.kind == AuditEvent.Kind.DELIVERY and facts.get("failed"):
        title = _("Notification failed")
    details = [
        _("reason: %s") % reasons[str(facts["reason"])] if facts.get("reason") in reasons else "",
        str(HELD.get(str(facts["held"]), "")) if facts.get("held") else "",
        _("together with its plan") if event.kind == AuditEvent.Kind.RECALLED and facts.get("with") else "",
        _("it had been recalled") if facts.get("recalled") else "",
        _("edited: %s") % ", ".join(map(str, facts["edited"])) if facts.get("edited") else "",
        _("instead: %s") % facts["alternative"] if facts.get("alternative") else "",
        _("vote %(votes)s of %(of)s") % facts if {"votes", "of"} <= facts.keys() and facts["of"] != 1 else "",
        _("stage %(stage)s of %(stages)s") % facts
        if {"stage", "stages"} <= facts.keys() and event.kind != AuditEvent.Kind.STAGED
        else "",
        _tiers(facts),
        _("result: %s") % OUTCOMES[str(facts["result"])] if facts.get("result") in OUTCOMES else "",
        str(FINDINGS.get(str(facts["finding"]), "")) if facts.get("finding") else "",
        _("its permit was taken back") if facts.get("permit") == "taken back" else "",
        _("its agent is asked to undo it") if facts.get("undo") == "asked" else "",
        str(WHYS.get(str(facts["post_review"]), "")) if facts.get("post_review") else "",
        _("its permit was not used") if facts.get("permit") == "not used" else "",
        _("no longer so: %s") % ", ".join(map(str, facts["moved"])) if facts.get("moved") else "",
        _("came back, approved before") if facts.get("returned_from") else "",
        _("until %s UTC") % str(facts["until"])[:16].replace("T", " ") if facts.get("until") else "",
        _("back in the list") if facts.get("over") else "",
        _("by an approved plan, step %s") % facts["step"] if facts.get("plan") else "",
        _("by a standing approval") if event.kind == AuditEvent.Kind.RELEASED and facts.get("grant") else "",
        _("revoked") if facts.get("revoked") else "",
        _("%(to)s was not reached by %(by)s") % facts
        if event.kind == AuditEvent.Kind.DELIVERY and facts.get("failed")
        else "",
        _("%s times") % facts["most"] if facts.get("most") else "",
        _("taken over from %s") % facts["from"] if event.kind == AuditEvent.Kind.CLAIMED and facts.get("from") else "",
    ]
    person = event.user or event.agent
    who = person.name if person else str(ACTORS.get(event.actor, event.actor))
    if absent:
        who = _("%(who)s for %(absent)s") % {"who": who, "absent": absent}
    shown = event.kind in _SPOKEN
    return Moment(event, title, who, " · ".join(filter(None, details)), text if shown else "", hasattr(event, "seal"))
