"""Optimistic execution: policy itself approves what can be undone, before a person has looked.

Pure. It begins where routing has ended: only what would wait for the action type's own sake may go ahead.
"""

from dataclasses import replace

from approvals.models import PostReview
from approvals.models.policy import Gate, OptimisticExecution, Reversibility
from approvals.models.states import Route
from approvals.policy import reasons
from approvals.policy.compiled_policy import TypePolicy
from approvals.policy.evaluation_input import EvaluationInput
from approvals.policy.routing_codes import BEFORE_REVIEW
from approvals.policy.routing_decision import Routing


def runs_before_review(routing: Routing, question: EvaluationInput) -> Routing:
    """The route of a proposal; one that may run before its review passes, and is looked at afterwards.

    It has to belong to a run, since that is what a veto ends and what is reviewed. A rule, a flag, a limit, several
    people, a typed word or a stage ask for more than the action type's own strategy does: then it waits. What is
    partly reversible goes ahead only where the request says what undoes it.
    """
    why = _why(question.type)
    if not why or not question.run or routing.route != Route.REVIEW or not _only_strategy_asks(routing):
        return routing
    if question.type.reversibility == Reversibility.PARTIAL and not question.undoable:
        return replace(routing, reasons=[*routing.reasons, reasons.WaitsWithoutUndo()])
    reason = reasons.GoesOnUnlessStopped() if why == PostReview.Why.VETO else reasons.GoesOnBeforeReview()
    return replace(
        routing, route=Route.AUTO, reason_code=BEFORE_REVIEW, reasons=[*routing.reasons, reason], post_review=why
    )


def _why(type: TypePolicy) -> str:
    """What the action type lets run ahead of; nothing where it may not, whatever an old version says."""
    reversible = type.reversibility == Reversibility.REVERSIBLE
    if type.runs_before_review == OptimisticExecution.VETO:
        return PostReview.Why.VETO if type.gate == Gate.SOFT and reversible else ""
    if (
        type.runs_before_review != OptimisticExecution.REVIEW
        or type.reversibility == Reversibility.IRREVERSIBLE
        or type.gate == Gate.MANUAL
    ):
        return ""
    return PostReview.Why.REVIEW if reversible or type.gate != Gate.SOFT else ""


def _only_strategy_asks(routing: Routing) -> bool:
    """Nothing but the action type's own strategy asks for a person, and it asks for one."""
    return (
        routing.approvable
        and not routing.strict
        and not routing.typed
        and not routing.stages
        and routing.approvers == 1
        and routing.gate != Gate.MANUAL
    )
