"""The shapes of permits and leases: what an executor sends, and what it is answered."""

from agents.models import Scope
from agents.schemas.build import (
    ANY_OBJECT,
    DIGEST,
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
    seconds,
    text,
)
from approvals.execution.leases import LONGEST

STRING: Schema = {"type": "string"}

COMPONENTS: dict[str, Schema] = {
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
}
