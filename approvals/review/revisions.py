"""A modification is a new revision: validated, valued and routed again, within the modifier's own authority."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from approvals.ids import new_id
from approvals.models import Approval, Autonomy, Proposal, User
from approvals.models.approval import Route, Subject
from approvals.models.policy import CONSENTING, Silence, Verdict
from approvals.policy import schema, snapshot
from approvals.policy.assess import Question, assess, gather
from approvals.policy.edits import changed_paths
from approvals.policy.keys import keys_of
from approvals.policy.routing import Routing, Standing, route
from approvals.policy.schema import Fault, Json
from approvals.policy.snapshot import Policy, TypePolicy
from approvals.policy.stages import Stages, asked_of, both
from approvals.policy.worth import worth
from approvals.review import access, replanning, stages
from approvals.review.errors import BadVerdict, NotAllowed


@dataclass(frozen=True, slots=True)
class Revised:
    """What a verdict covers: the revision as it stands, or a new one with the columns that change with it.

    `asked` is who approves it, in order, and `stage` where it stands among them. `counts` False: whoever changed it
    does not review the stage that it starts in, so the change is not yet an approval.
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
        plan = replanning.of(approval, args, by=by, now=now)
        case = plan.case
        return _revised(
            approval, plan.proposal, case.worth.value, case.routing, plan.asked, plan.edited, by=by, now=now
        )
    if alternative:
        args = _alternative(proposal, alternative)
    policy = snapshot.load(approval.policy_id)
    kind = policy.types[approval.action_type.name]
    faults = [Fault(f"/args{fault.pointer}", fault.message) for fault in kind.check(args)]
    if faults:
        raise BadVerdict(faults)
    edited = changed_paths(proposal.args, args)
    if not edited:
        raise BadVerdict([Fault("/args", _("Nothing is changed; approve it as it is."))])
    revised = _proposal(approval, proposal, kind, args, by=by, now=now)
    value = worth(kind, args, policy)
    routing = routed(approval, revised, policy, now=now)
    if routing.route == Route.REJECT:
        raise BadVerdict([Fault("/args", _("Policy refuses this: %(why)s") % {"why": "; ".join(routing.reasons)})])
    asked = both(asked_of(approval), routing.asked(kind.domain))
    made = _revised(approval, revised, value.value, routing, asked, tuple(edited), by=by, now=now)
    keys = keys_of(kind, args, approval.about)
    compared = {"usual_key": keys.usual, "count_key": keys.count, "likeness": keys.likeness}
    return replace(made, columns={**made.columns, **compared})


def _revised(
    approval: Approval,
    proposal: Proposal,
    value: Decimal | None,
    routing: Routing,
    asked: Stages,
    edited: tuple[str, ...],
    *,
    by: User,
    now: datetime,
) -> Revised:
    """It starts with its first stage. Nothing that was asked becomes less by it, and silence runs no stricter one."""
    authority = access.authority_of(by)
    stages.within(approval, asked, authority)
    consents = approval.on_timeout in CONSENTING
    columns: dict[str, object] = {
        "revision": proposal.revision,
        "proposal_id": proposal.pk,
        "digest": proposal.digest,
        "value": value,
        "typed": approval.typed or routing.typed,
        "on_timeout": Silence.REJECT if routing.strict and consents else approval.on_timeout,
        **stages.entering(approval, asked, 0, now=now),
    }
    counts = authority.reaches(asked[0].tier, asked[0].domain)
    return Revised(proposal.revision, proposal.digest, asked, 0, counts, proposal, columns, edited)


def _alternative(proposal: Proposal, label: str) -> Json:
    for one in proposal.alternatives:
        if one.get("label") == label:
            return one.get("args")  # type: ignore[no-any-return]  # JSON as stored
    raise BadVerdict([Fault("/alternative", _("The agent did not offer this alternative."))])


def _proposal(
    approval: Approval, before: Proposal, kind: TypePolicy, args: Json, *, by: User, now: datetime
) -> Proposal:
    newest = approval.proposals.order_by("-revision").values_list("revision", flat=True).first() or 0
    return Proposal(
        id=new_id(),
        approval=approval,
        revision=newest + 1,
        author=by,
        name=before.name,
        args=args,
        digest=schema.action_digest(
            agent=approval.agent.name,
            action=before.name,
            schema_version=kind.schema_version,
            args=args,
            about=approval.about,
            attachments=[str(one["digest"]) for one in before.attachments],
        ),
        headline=schema.headline(kind.headline, args)[:500],
        summary=before.summary,
        reasoning=before.reasoning,
        context=before.context,
        current=before.current,
        preconditions=before.preconditions,
        alternatives=before.alternatives,
        remember=before.remember,
        rename_to=before.rename_to,
        signals=before.signals,
        attachments=before.attachments,
        created_at=now,
    )


def routed(approval: Approval, revised: Proposal, policy: Policy, *, now: datetime) -> Routing:
    """What this policy says now of an approval with these arguments; it is no history of itself."""
    kind = policy.types[revised.name]
    run = approval.pause.run
    question = Question(
        agent_id=approval.agent_id,
        agent_name=approval.agent.name,
        type=kind,
        args=revised.args,
        parsed=True,
        about=approval.about,
        value=worth(kind, revised.args, policy).value,
        stated=revised.signals,
        summary=revised.summary,
        context=revised.context,
        digest=revised.digest,
        now=now,
        run=run.key if run else "",
        run_name=run.name if run else "",
        run_step=approval.pause.step,
        approval_id=approval.pk,
        in_hand=True,
    )
    row = Autonomy.objects.filter(agent=approval.agent_id, action_type=kind.name).first()
    standing = Standing(
        paused=False, level=row.level if row else kind.level, breaker_open=row.breaker_open if row else False
    )
    [history] = gather([question])
    return route(question, assess(question, history), policy, standing)
