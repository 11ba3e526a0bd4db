"""What goes on before anybody has looked. Policy's own approval, bound by what can be undone; never an error's way out.

Pure. It begins where routing has ended: only what would wait for the action type's own sake may go ahead.
"""

from dataclasses import replace

from approvals.models import Audit
from approvals.models.approval import Route
from approvals.models.policy import Ahead, Gate, Reversibility
from approvals.policy import words
from approvals.policy.assess import Question
from approvals.policy.codes import AHEAD
from approvals.policy.routing import Routing
from approvals.policy.snapshot import TypePolicy


def goes_ahead(routing: Routing, question: Question) -> Routing:
    """The route of a proposal; one that may run before its review passes, and is looked at afterwards.

    It has to belong to a run, since that is what a veto ends and what is reviewed. A rule, a flag, a limit, several
    people, a typed word or a stage ask for more than the action type's own strategy does: then it waits. What is
    partly reversible goes ahead only where the request says what undoes it.
    """
    why = _why(question.type)
    if not why or not question.run or routing.route != Route.REVIEW or not _asks_alone(routing):
        return routing
    if question.type.reversibility == Reversibility.PARTIAL and not question.undoable:
        return replace(routing, reasons=[*routing.reasons, words.AHEAD_WITHOUT_UNDO])
    said = words.AHEAD_VETO if why == Audit.Why.VETO else words.AHEAD_REVIEW
    return replace(routing, route=Route.AUTO, reason_code=AHEAD, reasons=[*routing.reasons, said], audit=why)


def _why(type: TypePolicy) -> str:
    """What the action type lets run ahead of; nothing where it may not, whatever an old version says."""
    reversible = type.reversibility == Reversibility.REVERSIBLE
    if type.ahead == Ahead.VETO:
        return Audit.Why.VETO if type.gate == Gate.SOFT and reversible else ""
    if type.ahead != Ahead.REVIEW or type.reversibility == Reversibility.IRREVERSIBLE or type.gate == Gate.MANUAL:
        return ""
    return Audit.Why.REVIEW if reversible or type.gate != Gate.SOFT else ""


def _asks_alone(routing: Routing) -> bool:
    """Nothing but the action type's own strategy asks for a person, and it asks for one."""
    return (
        routing.approvable
        and not routing.strict
        and not routing.typed
        and not routing.stages
        and routing.approvers == 1
        and routing.gate != Gate.MANUAL
    )
