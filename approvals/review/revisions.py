"""What a verdict covers: the revision as it stands, or a modification of it, within the modifier's own authority."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.utils.translation import gettext as _

from approvals.models import Approval, Proposal, User
from approvals.models.approval import Subject
from approvals.models.policy import Gate, Verdict
from approvals.policy.schema import Fault, Json
from approvals.policy.stages import Stages, asked_of
from approvals.review import access, replanning, stages
from approvals.review.errors import BadVerdict, NotAllowed
from approvals.review.revise import Revision, revise
from approvals.review.submission import again


@dataclass(frozen=True, slots=True)
class Revised:
    """What a verdict covers: the revision as it stands, or a new one with the columns that change with it.

    `asked` is who approves it, in order, and `stage` where it stands among them. `counts` False: the change is not yet
    an approval, since whoever made it does not review the stage that it starts in, or has not typed what it asks for.
    """

    revision: int
    digest: str
    asked: Stages
    stage: int = 0
    counts: bool = True
    proposal: Proposal | None = None
    columns: Mapping[str, object] = field(default_factory=dict)
    edited: tuple[str, ...] = ()

    @property
    def approvers(self) -> int:
        return self.asked[self.stage].approvers

    @property
    def several(self) -> bool:
        """Whether it takes more than one person."""
        return self.approvers > 1 or len(self.asked) > 1


def of(approval: Approval, verdict: str, args: Json, alternative: str, *, by: User, now: datetime) -> Revised:
    """The revision a verdict covers; for a modification a new, unsaved proposal. Raises BadVerdict, NotAllowed."""
    if verdict != Verdict.MODIFY:
        return Revised(approval.revision, approval.digest, asked_of(approval), approval.stage)
    proposal = approval.proposal
    if proposal is None or approval.action_type is None:
        raise NotAllowed
    if approval.subject == Subject.PLAN:
        return _revised(approval, replanning.of(approval, args, by=by, now=now), by=by)
    if alternative:
        args = _alternative(proposal, alternative)
    revision = revise(approval, proposal, replace(again(approval, proposal), args=args), by=by, now=now)
    if not revision.edited:
        raise BadVerdict([Fault("/args", _("Nothing is changed; approve it as it is."))])
    return _revised(approval, revision, by=by)


def _revised(approval: Approval, revision: Revision, *, by: User) -> Revised:
    authority = access.authority_of(by)
    asked = revision.asked
    stages.within(approval, asked, authority)
    typing = revision.columns["typed"] or revision.columns["gate"] == Gate.MANUAL
    counts = authority.reaches(asked[0].tier, asked[0].domain) and (access.page_only(approval) or not typing)
    proposal = revision.proposal
    return Revised(proposal.revision, proposal.digest, asked, 0, counts, proposal, revision.columns, revision.edited)


def _alternative(proposal: Proposal, label: str) -> Json:
    for alternative in proposal.alternatives:
        if alternative.get("label") == label:
            return alternative.get("args")  # type: ignore[no-any-return]  # JSON as stored
    raise BadVerdict([Fault("/alternative", _("The agent did not offer this alternative."))])
