"""What a verdict covers: the revision as it stands, or a modification of it, within the modifier's own authority."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.utils.translation import gettext as _

from approvals.decisions import plan_edits, stages
from approvals.decisions.revise import Revision, revise
from approvals.errors import BadVerdict, NotAllowed
from approvals.models import Approval, Proposal, User
from approvals.models.policy import Gate, Verdict
from approvals.models.states import ItemType
from approvals.people import authorities, eligibility
from approvals.policy.stages import Stages, required_stages_of
from approvals.requests.submission import as_item
from approvals.values.schema import Fault, Json


@dataclass(frozen=True, slots=True)
class VerdictRevision:
    """What a verdict covers: the revision as it stands, or a new one with the columns that change with it.

    `required_stages` is who approves it, in order, and `stage` where it stands among them. `counts` False: the change
    is not yet an approval, since whoever made it does not review the stage that it starts in, or has not typed what
    it asks for.
    """

    revision: int
    digest: str
    required_stages: Stages
    stage: int = 0
    counts: bool = True
    proposal: Proposal | None = None
    columns: Mapping[str, object] = field(default_factory=dict)
    edited: tuple[str, ...] = ()

    @property
    def approvers(self) -> int:
        return self.required_stages[self.stage].approvers

    @property
    def several(self) -> bool:
        """Whether it takes more than one person."""
        return self.approvers > 1 or len(self.required_stages) > 1


def verdict_revision(
    approval: Approval, verdict: str, args: Json, alternative: str, *, by: User, now: datetime
) -> VerdictRevision:
    """The revision a verdict covers; for a modification a new, unsaved proposal. Raises BadVerdict, NotAllowed."""
    if verdict != Verdict.MODIFY:
        return VerdictRevision(approval.revision, approval.digest, required_stages_of(approval), approval.stage)
    proposal = approval.proposal
    if proposal is None or approval.action_type is None:
        raise NotAllowed
    if approval.item_type == ItemType.PLAN:
        return _from_revision(approval, plan_edits.plan_revision(approval, args, by=by, now=now), by=by)
    if alternative:
        args = _alternative(proposal, alternative)
    revision = revise(approval, proposal, replace(as_item(approval, proposal), args=args), by=by, now=now)
    if not revision.edited:
        raise BadVerdict([Fault("/args", _("Nothing is changed; approve it as it is."))])
    return _from_revision(approval, revision, by=by)


def _from_revision(approval: Approval, revision: Revision, *, by: User) -> VerdictRevision:
    authority = authorities.authority_of(by)
    required_stages = revision.required_stages
    stages.refuse_beyond_authority(approval, required_stages, authority)
    typing = revision.columns["typed"] or revision.columns["gate"] == Gate.MANUAL
    counts = authority.reaches(required_stages[0].tier, required_stages[0].domain) and (
        eligibility.page_only(approval) or not typing
    )
    proposal = revision.proposal
    return VerdictRevision(
        proposal.revision, proposal.digest, required_stages, 0, counts, proposal, revision.columns, revision.edited
    )


def _alternative(proposal: Proposal, label: str) -> Json:
    for alternative in proposal.alternatives:
        if alternative.get("label") == label:
            return alternative.get("args")  # type: ignore[no-any-return]  # JSON as stored
    raise BadVerdict([Fault("/alternative", _("The agent did not offer this alternative."))])
