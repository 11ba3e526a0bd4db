"""The shapes of permits and leases: what an executor sends, and what it is answered."""

from agents.models import Scope
from agents.shapes.build import (
    ANY_OBJECT,
    DIGEST,
    FLAG,
    ID,
    TIME,
    WHOLE,
    Schema,
    fields,
    many,
    one_of,
    or_null,
    seconds,
    text,
    told,
    word,
)
from approvals.review.leases import LONGEST

STRING: Schema = {"type": "string"}

COMPONENTS: dict[str, Schema] = {
    "PermitUse": fields(
        ["permit", "action_digest", "attempt"],
        says="What an executor presents just before it runs the action.",
        permit=word(16_384, says="The permit of the decision, as it was given."),
        action_digest={**DIGEST, "description": "Of what is about to run, computed by the executor itself."},
        attempt=word(64, says="The executor's own word for this try; the same when the answer was lost."),
        executor=text(200, says="Who runs it, for people to read."),
        preconditions={
            **ANY_OBJECT,
            "maxProperties": 100,
            "description": "How the approval's preconditions are now, by name.",
        },
    ),
    "PermitUsed": told(
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
        worker=word(says="The worker's own name, unique among those of the agent."),
        seconds=seconds(1, LONGEST.total_seconds(), says="From now, with fractions; 60 without it."),
        release={**FLAG, "description": "True: give it back."},
    ),
    "LeaseState": told(worker=STRING, until=or_null(TIME)),
    "Whoami": told(
        agent=STRING,
        key=told(prefix=STRING, name=STRING, scopes=many(one_of(Scope.values)), expires_at=or_null(TIME)),
        policy_version=or_null(WHOLE),
        now={**TIME, "description": "The clock that deadlines and permits go by."},
    ),
}
