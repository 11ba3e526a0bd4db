"""The shapes of runs: steps, what undoes them, and what became of the undoing."""

from agents.schemas.build import (
    ANY_OBJECT,
    ANYTHING,
    FLAG,
    ID,
    TIME,
    WHOLE,
    Schema,
    answer_object,
    array,
    fields,
    non_empty_text,
    one_of,
    or_null,
    ref,
    text,
)
from approvals.execution.steps import MOST
from approvals.models import Step

STRING: Schema = {"type": "string"}
_DID = [Step.Status.STARTED, Step.Status.DONE, Step.Status.FAILED]
_CALL = fields(["name"], name=non_empty_text(80), args=ANYTHING)

COMPONENTS: dict[str, Schema] = {
    "StepReport": fields(
        ["id"],
        says="What a run does, or did. With request and item the action is what was approved.",
        id=non_empty_text(says="The agent's own id of the step, unique in its run."),
        action=_CALL,
        undo={**or_null(_CALL), "description": "What undoes it. Without args it is given those of the action."},
        request=ID,
        item=non_empty_text(),
        status=one_of([one.value for one in _DID], says="done without it."),
        context=ANY_OBJECT,
        run_name=text(300, says="The run's name for people, where this is the first thing said of it."),
    ),
    "UndoReport": fields(
        ["result"],
        result=one_of(["succeeded", "failed"]),
        detail=text(2000, says="Why it failed; people read it."),
    ),
    "RunEnd": fields(says="Nothing need be said with it."),
    "StepState": answer_object(
        id=STRING,
        position={**WHOLE, "description": "From 1, in the order in which the steps began."},
        status=one_of(Step.Status.values),
        action=or_null(ANY_OBJECT),
        undo=or_null(ANY_OBJECT),
        request=or_null(ID),
        item=or_null(STRING),
        started_at=TIME,
        done_at=or_null(TIME),
        undone_at=or_null(TIME),
        attempts={**WHOLE, "description": "Failed attempts to undo it."},
        last_error=STRING,
    ),
    "Compensation": answer_object(step=STRING, action=or_null(ANY_OBJECT), undo=ANY_OBJECT),
    "RunState": answer_object(
        id={**STRING, "description": "The agent's own id of the run."},
        name=STRING,
        stopped={**FLAG, "description": "True: a reviewer ended the whole run."},
        ended={**FLAG, "description": "True: its agent said so, or was silent for too long."},
        steps=array(ref("StepState"), MOST),
        compensate=array(ref("Compensation"), says="What can be undone and is not yet, newest first."),
        to_undo=array(ref("Compensation"), says="Of these what people asked to be undone, newest first."),
        guidance_unread={**WHOLE, "description": "Words of reviewers that the agent has not fetched."},
    ),
}
