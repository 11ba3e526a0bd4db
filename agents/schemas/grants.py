"""The shapes of standing approvals: what an agent may do without asking, and what it tells of it afterwards."""

from agents.schemas.build import (
    ANYTHING,
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
    ref,
    text,
)
from approvals.models import Outcome
from approvals.policy.grant_conditions import OPERATORS

STRING: Schema = {"type": "string"}
MOST_USES = 100

COMPONENTS: dict[str, Schema] = {
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
}
