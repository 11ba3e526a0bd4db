"""What happened to an approval, event by event, in words."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _

from approvals.models import Approval, Decision, Event, Recall, User, Vote
from approvals.policy.schema import Json
from console.words import ACTORS, DONE, FINDINGS, HELD, OUTCOMES, REASONS, RECALLS, WHYS


@dataclass(frozen=True, slots=True)
class Moment:
    """One event of the timeline in words."""

    event: Event
    title: str
    who: str
    details: str
    text: str
    sealed: bool


def moments_of(approval: Approval, *, content: bool) -> list[Moment]:
    """All of it, oldest first; what people wrote with it only where the reader may know the content."""
    events = approval.events.select_related("user", "agent", "seal").order_by("seq")
    if not content:
        return [_moment(event, "", _absent(event)) for event in events]
    notes = dict(approval.notes.values_list("seq", "text"))
    messages = dict(Decision.objects.filter(approval=approval).values_list("decided_at", "message"))
    messages |= dict(Recall.objects.filter(approval=approval).values_list("recalled_at", "message"))
    messages |= dict(Vote.objects.filter(approval=approval).values_list("created_at", "note"))
    return [_moment(event, notes.get(event.seq) or messages.get(event.at) or "", _absent(event)) for event in events]


def _absent(event: Event) -> str:
    """The name of who was away, where somebody did it in that person's place."""
    username = str(event.facts.get("for") or "")
    if not username:
        return ""
    away = User.objects.filter(username=username).first()
    return away.name if away else username


_SPOKEN = {
    Event.Kind.DECIDED,
    Event.Kind.COMMENTED,
    Event.Kind.ESCALATED,
    Event.Kind.VOTED,
    Event.Kind.MODIFIED,
    Event.Kind.STAGED,
    Event.Kind.AUDITED,
    Event.Kind.VETOED,
    Event.Kind.RECALLED,
}


def _tiers(said: Mapping[str, Json]) -> str:
    """From where to where it went."""
    if not {"from", "to"} <= said.keys() or not isinstance(said["to"], int):
        return ""
    if "to_domain" in said:
        return _("tier %(from)s %(from_domain)s to tier %(to)s %(to_domain)s") % said
    return _("tier %(from)s to %(to)s") % said


def _moment(event: Event, text: str, absent: str = "") -> Moment:
    """`text` is what its actor wrote with it, `absent` in whose place."""
    said = event.facts
    reasons = RECALLS if event.kind == Event.Kind.RECALLED else REASONS
    title = event.get_kind_display()
    if event.kind == Event.Kind.DECIDED and said.get("verdict") in DONE:
        title = str(DONE[str(said["verdict"])])
    elif event.kind == Event.Kind.STAGED and {"stage", "stages"} <= said.keys():
        title = _("Approved stage %(stage)s of %(stages)s") % said
    elif event.kind == Event.Kind.DELIVERY and said.get("failed"):
        title = _("Notification failed")
    details = [
        _("reason: %s") % reasons[str(said["reason"])] if said.get("reason") in reasons else "",
        str(HELD.get(str(said["held"]), "")) if said.get("held") else "",
        _("together with its plan") if event.kind == Event.Kind.RECALLED and said.get("with") else "",
        _("it had been recalled") if said.get("recalled") else "",
        _("edited: %s") % ", ".join(map(str, said["edited"])) if said.get("edited") else "",
        _("instead: %s") % said["alternative"] if said.get("alternative") else "",
        _("vote %(votes)s of %(of)s") % said if {"votes", "of"} <= said.keys() and said["of"] != 1 else "",
        _("stage %(stage)s of %(stages)s") % said
        if {"stage", "stages"} <= said.keys() and event.kind != Event.Kind.STAGED
        else "",
        _tiers(said),
        _("result: %s") % OUTCOMES[str(said["result"])] if said.get("result") in OUTCOMES else "",
        str(FINDINGS.get(str(said["finding"]), "")) if said.get("finding") else "",
        _("its permit was taken back") if said.get("permit") == "taken back" else "",
        _("its agent is asked to undo it") if said.get("undo") == "asked" else "",
        str(WHYS.get(str(said["audit"]), "")) if said.get("audit") else "",
        _("its permit was not used") if said.get("permit") == "not used" else "",
        _("no longer so: %s") % ", ".join(map(str, said["moved"])) if said.get("moved") else "",
        _("came back, approved before") if said.get("returned_from") else "",
        _("until %s UTC") % str(said["until"])[:16].replace("T", " ") if said.get("until") else "",
        _("back in the list") if said.get("over") else "",
        _("by an approved plan, step %s") % said["step"] if said.get("plan") else "",
        _("by a standing approval") if event.kind == Event.Kind.RELEASED and said.get("grant") else "",
        _("revoked") if said.get("revoked") else "",
        _("%(to)s was not reached by %(by)s") % said
        if event.kind == Event.Kind.DELIVERY and said.get("failed")
        else "",
        _("%s times") % said["most"] if said.get("most") else "",
        _("taken over from %s") % said["from"] if event.kind == Event.Kind.CLAIMED and said.get("from") else "",
    ]
    person = event.user or event.agent
    who = person.name if person else str(ACTORS.get(event.actor, event.actor))
    if absent:
        who = _("%(who)s for %(absent)s") % {"who": who, "absent": absent}
    shown = event.kind in _SPOKEN
    return Moment(event, title, who, " · ".join(filter(None, details)), text if shown else "", hasattr(event, "seal"))
