"""The stages of an approval as a person reads them: who approved, whom it waits for, who comes after."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from approvals.models import Approval, Domain, Tier, Vote
from approvals.models.policy import Verdict
from approvals.models.states import Status

_APPROVING = (Verdict.APPROVE, Verdict.MODIFY)


@dataclass(frozen=True, slots=True)
class StageLine:
    """One stage. `state` is done, current, ahead, or ended: it came to an end there."""

    number: int
    queue: str  # "Specialists · Legal"
    state: str
    people: Sequence[str]
    votes: int
    approvers: int

    @property
    def state_label(self) -> str:
        """Its state for who does not see the mark before it."""
        return {
            "done": _("approved"),
            "current": _("waits"),
            "ahead": _("to come"),
            "ended": _("ended here"),
        }[self.state]


def lines_of(approval: Approval) -> list[StageLine]:
    """Its stages in order; none where everybody is asked at once."""
    if not approval.stages:
        return []
    tiers, domains = dict(Tier.objects.values_list("pk", "name")), dict(Domain.objects.values_list("pk", "name"))
    people: dict[int, list[str]] = {}
    cast = Vote.objects.filter(approval=approval, revision=approval.revision, round=approval.round)
    for vote in cast.select_related("user").order_by("created_at", "pk"):
        people.setdefault(vote.stage, []).append(vote.user.name)
    return [
        StageLine(
            number=at + 1,
            queue=f"{tiers.get(stage['tier'], stage['tier'])} · {domains.get(stage['domain'], stage['domain'])}",
            state=_state(approval, at),
            people=people.get(at, []),
            votes=len(people.get(at, [])),
            approvers=stage["approvers"],
        )
        for at, stage in enumerate(approval.stages)
    ]


def _state(approval: Approval, at: int) -> str:
    if at != approval.stage:
        return "done" if at < approval.stage else "ahead"
    if approval.status == Status.PENDING:
        return "current"
    return "done" if approval.verdict in _APPROVING else "ended"


def queue_label(approval: Approval) -> str:
    """Where it waits: its tier, and with stages its field, too."""
    return f"{approval.tier.name} · {approval.domain.name}" if approval.stages else approval.tier.name


def effect_of_approving(approval: Approval, lines: Sequence[StageLine]) -> str:
    """What one more approval does, said before it is given; empty where it simply lets it run."""
    if not lines or approval.status != Status.PENDING:
        return ""
    left = approval.approvers - approval.votes - 1
    following = lines[approval.stage + 1] if approval.stage + 1 < len(lines) else None
    if left > 0 and following is not None:
        sentence = _("Your approval is number %(nth)d of %(of)d in this stage; then it goes to %(queue)s.")
        return sentence % {"nth": approval.votes + 1, "of": approval.approvers, "queue": following.queue}
    if left > 0:
        sentence = _("Your approval is number %(nth)d of %(of)d in the last stage.")
        return sentence % {"nth": approval.votes + 1, "of": approval.approvers}
    if following is not None:
        return _("Your approval sends it to %(queue)s.") % {"queue": following.queue}
    return _("This is the last stage: your approval lets it run.")


def vote_sentence(approval: Approval) -> str:
    """What a vote did that let nothing run yet."""
    if approval.stages and not approval.votes:
        sentence = (
            _("Approved. Now it waits for %(queue)s.") if approval.stage else _("Changed. It starts with %(queue)s.")
        )
        return sentence % {"queue": queue_label(approval)}
    if not approval.votes:
        return _("Changed. Approving it as it is now asks to type a value.")
    return _("Recorded: %(votes)d of %(of)d approvals.") % {"votes": approval.votes, "of": approval.approvers}
