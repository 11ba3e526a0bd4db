"""The one way to make a revision: taken, valued and routed again, by policy in the version that it arrived under.

A reviewer's modification, an edited plan and the agent's amendment are made here, and nothing that was asked becomes
less by any of them. What of a proposal and of the approval's row goes where is declared below, field by field.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from django.utils.translation import gettext as _

from approvals.db import bulk
from approvals.decisions import stages
from approvals.errors import BadVerdict
from approvals.execution import returns
from approvals.models import Approval, Proposal, User
from approvals.models.policy import CONSENTING, Gate, Reversibility, Silence, Verdict
from approvals.models.states import ItemType, Route
from approvals.policy import messages, reasons, snapshot
from approvals.policy import stages as demands
from approvals.policy.compiled_policy import Policy, Stage, TypePolicy
from approvals.policy.reasons import Reason
from approvals.policy.routing import strictest
from approvals.policy.stages import Stages
from approvals.policy.worth import worth
from approvals.requests import attachments, new_rows
from approvals.requests.attachments import Files
from approvals.requests.evaluation import Evaluation, evaluate_items
from approvals.requests.submission import AgentSubmission, BadSubmission, Item, RunRef, Submission, as_item
from approvals.requests.validation import faults_of
from approvals.values import schema
from approvals.values.edits import changed_paths
from approvals.values.schema import Fault, Json

# --- What a revision is made of. A test holds both tables against the models: a new field must be in one row.

# Of a proposal: what the item says is kept (KEPT: of a modification that is what was shown, but for the edit), and this
# is computed.
COMPUTED_OF_PROPOSAL = frozenset(
    {"id", "approval", "revision", "author", "digest", "headline", "assessed", "before", "created_at"}
)
# Of the approval's row: what it is now, as computed of the new revision;
COMPUTED = frozenset(
    {
        *("revision", "proposal", "digest", "subject", "value", "impact", "assessment", "flagged", "confidence"),
        *("reasons", "reason_code", "reversibility", "allowed", "baseline_key", "frequency_key", "similarity_key"),
        "search_words",
    }
)
# what only rises;
RISING = frozenset({"gate", "typed", "on_timeout"})
# what is said of the agent's own attempts, and which a reviewer's change leaves as it is;
OF_ATTEMPTS = frozenset({"repeats", "attempt"})
# what entering its first stage changes (see stages.entering);
ENTERING = frozenset(
    {
        *("stages", "stage", "approvers", "votes", "claimed_by", "claim_until", "snoozed_until", "tier", "domain"),
        *("tiers_visited", "queues_visited", "due_at", "hold"),
    }
)
# and what it leaves alone, with the reason.
LEFT_ALONE: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            ("id", "request", "position", "item", "kind", "item_type", "agent", "action_type"), "what it is"
        ),
        **dict.fromkeys(("status", "round"), "it waits, in the same round"),
        **dict.fromkeys(("policy", "by_law"), "it is judged by the version that it arrived under"),
        **dict.fromkeys(("route", "shadowed", "grant", "plan"), "people were asked, so nothing lets it pass unseen"),
        **dict.fromkeys(("returned_from", "originally_approved_by"), "where it comes from"),
        **dict.fromkeys(("created_at", "expires_at"), "no deadline is extended"),
        "remind_at": "set wherever due_at is",
        **dict.fromkeys(("escalations", "breaches", "first_opened_at", "viewed"), "what happened to it so far"),
        **dict.fromkeys(("verdict", "source", "decided_by", "decided_at", "hold_until"), "the verdict's own"),
        **dict.fromkeys(("released_at", "consumed_at", "alarmed_at", "faulted_at"), "comes after a verdict"),
        **dict.fromkeys(("agent_model", "prompt_version", "tool_version"), "said of the whole request"),
        **dict.fromkeys(("share", "routed_score", "routed_impact"), "fixed before its label, by what came first"),
        "routed_parts": "fixed with them",
        **dict.fromkeys(("event_seq", "event_head"), "history's own"),
    }
)
# What of the row belongs to the agent's own proposal, and stands again when people's changes to it are taken back.
_OWN = sorted((COMPUTED | RISING) - {"revision", "proposal", "digest"})


@dataclass(frozen=True, slots=True)
class Revision:
    """A revision that is not stored yet: its proposal, what policy says of it, who is asked for it, in order.

    `columns` are what of the approval's row it changes, by column; `edited` are the arguments that differ.
    """

    proposal: Proposal
    evaluation: Evaluation
    required_stages: Stages
    columns: Mapping[str, object]
    edited: tuple[str, ...] = ()


def revise(approval: Approval, before: Proposal, item: Item, *, by: User | None, now: datetime) -> Revision:
    """The revision that makes `item` of what `before` proposed. `by` None: the agent amends it.

    `item.allowed`, `value` and `subject` follow from the row, whatever they are. Raises BadSubmission for what cannot
    be taken from an agent, BadVerdict for what cannot be taken from a reviewer, or what policy refuses to one.
    """
    policy = snapshot.load(approval.policy_id)
    evaluation = _evaluate(approval, before, item, policy, by=by, now=now)
    if by is not None and evaluation.routing.route == Route.REJECT:
        why = "; ".join(map(messages.sentence, evaluation.routing.reasons))
        raise BadVerdict([Fault("/args", _("Policy refuses this: %(why)s") % {"why": why})])
    required_stages = demands.merged_with(demands.required_stages_of(approval), _demanded(approval, evaluation, by=by))
    newest = approval.proposals.order_by("-revision").values_list("revision", flat=True).first() or 0
    proposal = new_rows.proposal_of(approval, evaluation, revision=newest + 1, author=by, now=now)
    proposal.assessed = _assessed(before, proposal)
    if by is not None:
        proposal.before = _AgentsState.of(approval, required_stages).as_json()
    columns = _columns(approval, evaluation, proposal, required_stages, now=now)
    return Revision(proposal, evaluation, required_stages, columns, tuple(changed_paths(before.args, proposal.args)))


def reevaluate(approval: Approval, proposal: Proposal, policy: Policy, *, now: datetime) -> Evaluation:
    """What a policy says now of an approval that people have in hand; it is no history of itself."""
    item = replace(as_item(approval, proposal), value=approval.value, subject=approval.subject)
    agent_submission = AgentSubmission(approval.agent_id, _submission(approval, item))
    files = _files(agent_submission, proposal)
    [[evaluation]] = evaluate_items([agent_submission], policy, now=now, files=files, again=approval.pk, in_hand=True)
    return evaluation


# --- Taking back


@dataclass(frozen=True, slots=True)
class _AgentsState:
    """An approval as it stood with the agent's own proposal: who was asked, and its columns.

    `became` is who was asked when people had changed it: a row that asks others by now has escalated since.
    """

    required_stages: Stages
    became: Stages
    columns: Mapping[str, Json] = field(default_factory=dict)

    @classmethod
    def of(cls, approval: Approval, became: Stages) -> "_AgentsState":
        """As it stands now, or stood before people's first change to what the agent proposed."""
        required_stages = demands.required_stages_of(approval)
        if earlier := cls.kept(approval):
            return cls(
                earlier.required_stages if required_stages == earlier.became else required_stages,
                became,
                earlier.columns,
            )
        attnames = [Approval._meta.get_field(name).attname for name in _OWN]  # type: ignore[union-attr]  # no relations
        return cls(
            required_stages, became, json.loads(bulk.as_json([{name: getattr(approval, name) for name in attnames}]))[0]
        )

    @classmethod
    def kept(cls, approval: Approval) -> "_AgentsState | None":
        """As the revision that stands has it; None of the agent's own."""
        kept = approval.proposal.before if approval.proposal else {}
        if not kept:
            return None
        required_stages, became = (tuple(Stage(**stage) for stage in kept[name]) for name in ("asked", "became"))
        return cls(required_stages, became, kept["columns"])

    def as_json(self) -> dict[str, Json]:
        required_stages: list[Json] = [stage.as_json() for stage in self.required_stages]
        became: list[Json] = [stage.as_json() for stage in self.became]
        return {"asked": required_stages, "became": became, "columns": dict(self.columns)}


def state_before_changes(approval: Approval) -> tuple[Stages, Mapping[str, object]]:
    """Who is asked, and the columns, once people's changes are taken back: as they stood with the agent's own proposal.

    Where it went to others since, with its time or by hand, it stays with them.
    """
    required_stages = demands.required_stages_of(approval)
    before = _AgentsState.kept(approval)
    if before is None:
        return required_stages, {}
    return (before.required_stages if required_stages == before.became else required_stages), before.columns


# --- What policy says of it


def _evaluate(
    approval: Approval, before: Proposal, item: Item, policy: Policy, *, by: User | None, now: datetime
) -> Evaluation:
    kind = policy.types[item.type_name]
    row = _row(approval, before)
    item = replace(
        item,
        parsed=by is not None or not isinstance(item.args, str),
        allowed=tuple(_allowed(row, before, kind)),
        value=_stated(row, before, item, kind, policy),
        subject=_stated_subject(row, before, kind),
    )
    agent_submission = AgentSubmission(
        approval.agent_id, replace(_submission(approval, item), returned=returns.returned_of(approval))
    )
    files = _files(agent_submission, before)
    faults = faults_of(agent_submission.submission, policy) + attachments.faults_of(agent_submission, files)
    if faults:
        raise BadSubmission(faults) if by is None else BadVerdict([_as_verdict_fault(fault) for fault in faults])
    [[evaluation]] = evaluate_items(
        [agent_submission], policy, now=now, files=files, again=approval.pk, in_hand=by is not None
    )
    return evaluation


def _submission(approval: Approval, item: Item) -> Submission:
    run = approval.request.run
    return Submission(
        (item,),
        content_hash="",
        run=RunRef(run.key, run.name, approval.request.step) if run else None,
        model=approval.agent_model,
        prompt_version=approval.prompt_version,
        tool_version=approval.tool_version,
    )


def _files(agent_submission: AgentSubmission, before: Proposal) -> Files:
    """The files that the proposal names.

    A file attached to an earlier revision stays attached, whatever became of it since.
    """
    kept_files = {(agent_submission.agent, str(file["id"])): file for file in before.attachments}
    return {**kept_files, **attachments.files_of([agent_submission])}


@dataclass(frozen=True, slots=True)
class _Row:
    """What the approval's row says of the proposal that is revised."""

    subject: str
    allowed: Sequence[str]
    value: Decimal | None


def _row(approval: Approval, before: Proposal) -> _Row:
    """The columns that go with `before`: the agent's own, where people have changed it since."""
    kept = _AgentsState.kept(approval)
    if kept is None or before.pk == approval.proposal_id:
        return _Row(approval.subject, approval.allowed, approval.value)
    value = kept.columns["value"]
    return _Row(
        str(kept.columns["subject"]),
        [str(verdict) for verdict in kept.columns["allowed"]],  # type: ignore[union-attr]  # a list, as stored
        None if value is None else Decimal(str(value)),
    )


def _allowed(row: _Row, before: Proposal, kind: TypePolicy) -> list[str]:
    """The verdicts that may be given; approval comes back where only unparsed arguments kept it away."""
    allowed = set(row.allowed)
    if not before.parsed and kind.schema:
        allowed.add(Verdict.APPROVE)
    return [verdict for verdict in kind.allowed if verdict in allowed]


def _stated(row: _Row, before: Proposal, item: Item, kind: TypePolicy, policy: Policy) -> Decimal | None:
    """The value that the agent stated beside its arguments, kept while they are the same or show none of their own."""
    shown = worth(kind, item.args, policy).value
    return row.value if shown is None or item.args == before.args else None


def _stated_subject(row: _Row, before: Proposal, kind: TypePolicy) -> str:
    """The subject that the agent stated; "" where it follows from the arguments."""
    picked = schema.pick(before.args, kind.subject_path) if kind.subject_path else None
    derived = f"{kind.subject_kind or 'subject'}:{picked}"[:200]
    return "" if picked is not None and row.subject == derived else row.subject


def _as_verdict_fault(fault: Fault) -> Fault:
    """A fault of a submission at its place in a verdict: /args…, or of a step /args/steps/2/args…"""
    parts = fault.pointer.split("/")  # "", items, 0, action, args, … or "", items, 0, plan, steps, 2, action, args, …
    if parts[3:5] == ["plan", "steps"]:
        return replace(fault, pointer="/".join(["/args/steps", parts[5], *parts[7:]]))
    own = parts[3:5] == ["action", "args"]
    return replace(fault, pointer="/".join(["/args", *parts[5:]]) if own else "/args")


def _demanded(approval: Approval, evaluation: Evaluation, *, by: User | None) -> Stages:
    """The stages that the revision asks for by itself.

    A plan that a reviewer edits stays in its domain, whatever was removed.
    """
    if by is not None and approval.item_type == ItemType.PLAN and not evaluation.routing.stages:
        return (Stage(evaluation.routing.tier, approval.domain_id, evaluation.routing.approvers),)
    return evaluation.routing.required_stages(evaluation.domain)


# --- What of it is stored


def _assessed(before: Proposal, proposal: Proposal) -> list[Json]:
    """What policy says of each step; of a rejected one, what it said while that was to run."""
    assessed_by_id = {str(step["id"]): step for step in (*before.assessed, *proposal.assessed)}
    return [assessed_by_id[name] for step in proposal.steps if (name := str(step["id"])) in assessed_by_id]


def _columns(
    approval: Approval, evaluation: Evaluation, proposal: Proposal, required_stages: Stages, *, now: datetime
) -> Mapping[str, object]:
    """What of the row the revision changes. It starts with its first stage."""
    routing, assessment = evaluation.routing, evaluation.assessment
    all_reasons, code = _why(approval, evaluation, required_stages, by=proposal.author)
    return {
        "revision": proposal.revision,
        "proposal_id": proposal.pk,
        "digest": evaluation.digest,
        "subject": evaluation.subject,
        "search_words": new_rows.search_words_of(approval, proposal, evaluation),
        "value": evaluation.worth.value,
        "impact": assessment.impact,
        "assessment": new_rows.stored_assessment(evaluation),
        "flagged": len(assessment.flags),
        "confidence": assessment.composite,
        "reasons": reasons.as_json(all_reasons),
        "reason_code": code,
        "reversibility": evaluation.reversibility,
        "allowed": new_rows.allowed_verdicts(evaluation),
        "gate": strictest([routing.gate, approval.gate]),
        "typed": approval.typed or routing.typed,
        "on_timeout": _silence(approval, evaluation, by=proposal.author),
        **stages.stage_columns(approval, required_stages, 0, now=now),
        # That it is another attempt at what was rejected is said of what the agent proposed.
        **(new_rows.comparison_columns(evaluation) if proposal.author is None else new_rows.key_columns(evaluation)),
    }


def _why(
    approval: Approval, evaluation: Evaluation, required_stages: Stages, *, by: User | None
) -> tuple[list[Reason], str]:
    """Why people are asked, and its code: for what it is now, and for what it was where that asked for more."""
    if evaluation.routing.route == Route.AUTO:
        # Why a first one would have passed is no reason to ask: it waits because people were asked.
        before = reasons.read(approval.reasons)
        return reasons.unique([reasons.AskedBeforeChange(), *before]), approval.reason_code
    all_reasons = list(evaluation.routing.reasons)
    if evaluation.routing.route == Route.REJECT:
        return all_reasons, evaluation.routing.reason_code
    if required_stages != _demanded(approval, evaluation, by=by):
        all_reasons.append(reasons.StaysStrict(required_stages))
    if approval.typed and not evaluation.routing.typed and approval.gate != Gate.MANUAL:
        all_reasons.append(reasons.TypedConfirmation())
    return reasons.unique(all_reasons), evaluation.routing.reason_code


def _silence(approval: Approval, evaluation: Evaluation, *, by: User | None) -> str:
    """What silence means for the revision. What its agent has changed, or what is stricter by now, never runs by it."""
    unheard = by is None and evaluation.digest != approval.digest
    asks = evaluation.routing.strict or evaluation.routing.typed or evaluation.reversibility != Reversibility.REVERSIBLE
    return Silence.REJECT if (unheard or asks) and approval.on_timeout in CONSENTING else approval.on_timeout
