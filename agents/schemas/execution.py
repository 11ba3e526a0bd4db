"""The shapes of execution: permits and leases, standing approvals, and runs with what undoes them."""

from agents.models import Scope
from agents.schemas.build import (
    ANY_OBJECT,
    ANYTHING,
    DIGEST,
    FLAG,
    ID,
    STRING,
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
    seconds,
    text,
)
from approvals.execution.leases import LONGEST
from approvals.execution.steps import MOST
from approvals.models import Outcome, Step
from approvals.policy.grant_conditions import OPERATORS

MOST_USES = 100
_DID = [Step.Status.STARTED, Step.Status.DONE, Step.Status.FAILED]
_CALL = fields(["name"], name=non_empty_text(80), args=ANYTHING)

COMPONENTS: dict[str, Schema] = {
    # Permits and leases.
    "PermitUse": fields(
        ["permit", "action_digest", "attempt"],
        says="What an executor presents just before it runs the action.",
        permit=non_empty_text(16_384, says="The permit of the decision, as it was given."),
        action_digest={**DIGEST, "description": "Of what is about to run, computed by the executor itself."},
        attempt=non_empty_text(64, says="The executor's own word for this try; the same when the answer was lost."),
        executor=text(200, says="Who runs it, for people to read."),
        preconditions={
            **ANY_OBJECT,
            "maxProperties": 100,
            "description": "How the approval's preconditions are now, by name.",
        },
    ),
    "PermitUsed": answer_object(
        jti=ID,
        request=ID,
        item=STRING,
        action={**STRING, "description": "The name of the action."},
        action_digest=DIGEST,
        attempt=STRING,
        consumed_at=TIME,
        replayed={**FLAG, "description": "True: this attempt had used it before, and asks again."},
    ),
    "LeaseWish": fields(
        ["worker"],
        worker=non_empty_text(says="The worker's own name, unique among those of the agent."),
        seconds=seconds(1, LONGEST.total_seconds(), says="From now, with fractions; 60 without it."),
        release={**FLAG, "description": "True: give it back."},
    ),
    "LeaseState": answer_object(worker=STRING, until=or_null(TIME)),
    "Whoami": answer_object(
        agent=STRING,
        key=answer_object(prefix=STRING, name=STRING, scopes=array(one_of(Scope.values)), expires_at=or_null(TIME)),
        policy_version=or_null(WHOLE),
        now={**TIME, "description": "The clock that deadlines and permits go by."},
    ),
    # Standing approvals: what an agent may do without asking, and what it tells of it afterwards.
    "GrantCondition": answer_object(
        says="True of the arguments, or it covers nothing; a missing path and a value of another kind never hold.",
        path={**STRING, "description": "Dotted path or JSON pointer into the arguments."},
        op=one_of(OPERATORS),
        value=ANYTHING,
    ),
    "Grant": answer_object(
        says="A standing approval. Submit as always: what it covers is answered at once, by source grant.",
        id=ID,
        action=STRING,
        conditions=array(ref("GrantCondition")),
        expression={**STRING, "description": "CEL, evaluated here; such a grant is not for offline use."},
        most=WHOLE,
        used=WHOLE,
        expires_at=TIME,
        offline={**FLAG, "description": "Whether some of the uses are set aside for while Assent cannot be reached."},
        reserved={**WHOLE, "description": "How many of them."},
        token={**or_null(STRING), "description": "A JWS (typ assent-grant+jwt) that proves them; null: none."},
    ),
    "GrantList": answer_object(grants=array(ref("Grant"))),
    "GrantUse": fields(
        ["key", "at", "action", "action_digest"],
        says="Something that ran by a token while Assent could not be reached.",
        key=non_empty_text(255, says="The agent's own word for this use: its repeat is no other use."),
        at={**TIME, "description": "When it ran."},
        action=ref("Action"),
        action_digest=DIGEST,
        subject=text(200, says="Whom it concerned, where the digest says so."),
        outcome=or_null(one_of(["", *Outcome.Result.values], says="Null or empty: nobody knows.")),
        detail=text(4000),
    ),
    "GrantUses": fields(["uses"], uses=array(ref("GrantUse"), MOST_USES, least=1)),
    "GrantUsesRecorded": answer_object(
        uses=array(
            answer_object(
                key=STRING,
                request=ID,
                status=one_of(("recorded", "violation"), says="A violation was recorded, and raised an alarm."),
                reasons=array(ref("Reason"), says="What the token did not cover."),
                replayed=FLAG,
            )
        )
    ),
    # Runs: steps, what undoes them, and what became of the undoing.
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
