"""The shape of what a stream of events carries in its `data`."""

from agents.feed import NAMES
from agents.schemas.build import ANYTHING, DIGEST, ID, STRING, TIME, WHOLE, Schema, fields, one_of
from approvals.models.policy import Verdict
from approvals.models.states import Source
from approvals.models.verdict import RecallReason

COMPONENTS: dict[str, Schema] = {
    "AgentEvent": fields(
        ["number", "type", "request", "item", "at"],
        says="One event: its number is the stream's `id`, its type the stream's `event`, and this the `data`.",
        number={**WHOLE, "description": "Its place in history. Numbers grow; those between are not this agent's."},
        type=one_of(NAMES),
        request=ID,
        item=STRING,
        at=TIME,
        verdict=one_of(Verdict.values),
        source=one_of(Source.values),
        silence=STRING,
        route=STRING,
        tier=WHOLE,
        from_tier=WHOLE,
        to_tier=WHOLE,
        to_domain={**STRING, "description": "Where another field's people are asked now."},
        stage={**WHOLE, "description": "Of those that approve one after the other: which it is, from 1."},
        stages={**WHOLE, "description": "How many of them there are."},
        due_at=TIME,
        expires_at=TIME,
        revision=WHOLE,
        digest=DIGEST,
        result=STRING,
        jti=ID,
        question=ID,
        guidance=ID,
        incident=ID,
        severity=STRING,
        run=STRING,
        step=STRING,
        grant=ID,
        moved=ANYTHING,
        reason=one_of(RecallReason.values, says="recalled: why it was taken back."),
        permit=one_of(["not used", "taken back"], says="outcome: it ran without; vetoed, flagged: taken back unused."),
        undo=one_of(["asked"], says="vetoed, flagged: what ran is to be undone."),
    ),
}
