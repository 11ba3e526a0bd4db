"""The shapes of what agents and people's tools send."""

from agents.schemas.build import (
    ANY_OBJECT,
    ANYTHING,
    DIGEST,
    FLAG,
    ID,
    Schema,
    array,
    fields,
    integer,
    non_empty_text,
    one_of,
    or_null,
    ref,
    seconds,
    text,
)
from approvals.execution import kill_switch
from approvals.models import ApprovalRequest, Outcome
from approvals.models.policy import Silence, Verdict
from approvals.models.verdict import RecallReason
from approvals.requests import attachments
from approvals.values import edits, texts

MOST_ITEMS = 200
MOST_REQUESTS = 500
YEAR = 365 * 24 * 3600

_SHARE: Schema = {"type": "number", "minimum": 0, "maximum": 1}
# Never negative: a value below zero would slip under every ceiling.
_MONEY: Schema = {
    "anyOf": [
        {"type": "string", "pattern": r"^[0-9]{1,15}(\.[0-9]{1,8})?$"},
        {"type": "number", "minimum": 0, "maximum": 1e15},
    ],
    "description": "What it is worth, as text or number; never less than the action type finds in the arguments.",
}

_REQUEST_FIELDS: dict[str, Schema] = {
    "question": fields(
        ["prompt"],
        says="Instead of an action: something that the agent needs to know.",
        prompt=non_empty_text(4000),
        response_schema=ANY_OBJECT,
        best_guess=ANYTHING,
    ),
    "plan": fields(
        ["steps"], says="Instead of an action: several steps reviewed at once.", steps=array(ref("Step"), 100, least=1)
    ),
    "allowed": array(
        one_of(Verdict.values), least=1, unique=True, says="What the agent's framework can honour; no more is offered."
    ),
    "summary": text(4000, says="The agent's own words; shown as plain text and marked as unverified."),
    "reasoning": text(20_000, says="The agent's own words; shown as plain text and marked as unverified."),
    "context": {**ANY_OBJECT, "description": "Evidence: what was done, what can be undone."},
    "alternatives": array(fields(["label", "args"], label=non_empty_text(), args=ANYTHING), 20),
    "signals": {
        "type": "object",
        "additionalProperties": _SHARE,
        "propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,39}$"},
        "maxProperties": 20,
        "description": "From 0 to 1: stated_confidence, tool_validity, retrieval_relevance.",
    },
    "value": _MONEY,
    "subject": non_empty_text(says="Whom or what it concerns: customer:981."),
    "current": {**ANYTHING, "description": "The present state of what would change, for the comparison."},
    "preconditions": ANY_OBJECT,
    "undo": {
        **fields(["name"], name=non_empty_text(80), args=ANYTHING),
        "description": "What undoes it; args as in a step. Only with it partly reversible steps go ahead of a review.",
    },
    "rename_to": array(non_empty_text(80), 50, unique=True, says="Other actions that a modification may switch to."),
    "remember": array(ANYTHING, 20, says="Standing permissions that a reviewer may grant with the verdict."),
    "attachments": array(ID, attachments.MOST, unique=True, says="Ids of files that were sent before."),
    "args_schema": {
        **ANY_OBJECT,
        "maxProperties": 0,
        "description": "No action type takes the agent's own schema; leave it empty.",
    },
}

_ENVELOPE: dict[str, Schema] = {
    "idempotency_key": non_empty_text(
        255, says="The same key and content give the same answer; or the header Idempotency-Key."
    ),
    "run": fields(["id"], says="The agent's workflow.", id=non_empty_text(), name=text(300), step=text(200)),
    "decide": one_of(
        ApprovalRequest.Decide.values,
        says="together: answered when all items are settled; independently: as they come.",
    ),
    "timeout_s": seconds(
        1, YEAR, says="Seconds to the deadline, with fractions. Below the action type's own, silence approves nothing."
    ),
    "on_timeout": one_of(
        Silence.values, says="What silence means; only reversible actions run by it, where policy lets them."
    ),
    "agent": fields(model=text(120), prompt_version=text(120), tool_version=text(120)),
    "resume": {**ANY_OBJECT, "description": "Opaque, returned unchanged, at most 64 KB."},
    "callback_url": or_null({"type": "string", "pattern": "^https?://", "format": "uri", "maxLength": 2000}),
    "labels": {"type": "object", "additionalProperties": text(200), "maxProperties": 50},
}

_OUTCOME = fields(
    ["result"],
    result=one_of(Outcome.Result.values),
    detail=text(4000),
    data={**ANY_OBJECT, "maxProperties": 100},
)

_SEEN: dict[str, Schema] = {
    "revision": integer(1, 2**31 - 1),
    "digest": DIGEST,
    "round": integer(1, 2**31 - 1),
    "stage": {**or_null(integer(1, 99)), "description": "Required where it has stages: the one that was read."},
}
_VERDICT: dict[str, Schema] = {
    "verdict": one_of(Verdict.values),
    "message": or_null(text(texts.MESSAGE)),
    "reason": text(40, says="From the pick-list of reasons."),
}

COMPONENTS: dict[str, Schema] = {
    "Action": fields(["name"], name=non_empty_text(80), args={**ANYTHING, "description": "Normally an object."}),
    "Step": fields(
        ["id", "action"],
        id=non_empty_text(),
        action=ref("Action"),
        depends_on=array(non_empty_text(), 100, unique=True),
        undo=ref("Action"),
    ),
    "Item": fields(
        ["id"],
        _REQUEST_FIELDS,
        says="One proposed action, question or plan.",
        id=non_empty_text(says="The agent's own id of it, unique in its request."),
        action=ref("Action"),
    ),
    "ItemsRequest": fields(["items"], _ENVELOPE, items=array(ref("Item"), MOST_ITEMS, least=1)),
    "FlatRequest": fields(
        [],
        _REQUEST_FIELDS,
        _ENVELOPE,
        says="One item, without the wrapping.",
        id=non_empty_text(),
        action=non_empty_text(80, says="The name of the action type."),
        args={**ANYTHING, "description": "Normally an object."},
    ),
    "Request": {"oneOf": [ref("ItemsRequest"), ref("FlatRequest")]},
    "BulkRequest": fields(["requests"], requests=array(ref("Request"), MOST_REQUESTS, least=1)),
    "Cancellation": fields(reason=text(200)),
    "OutcomeReport": _OUTCOME,
    "Claiming": fields(take_over={**FLAG, "description": "Also when another person is reading it; recorded."}),
    "Verdict": fields(
        ["revision", "round", "digest", "verdict"],
        _SEEN,
        _VERDICT,
        says="A verdict on exactly what was read: revision, round, digest and, where it has any, stage of the card.",
        edits={
            **array(ref("Operation"), edits.MOST_OPERATIONS, least=1),
            "description": "modify: RFC 6902 operations on the arguments of the card; the rest stays as it is.",
        },
        steps={
            **array(ref("PlanStepEdit"), 100, least=1),
            "description": "modify a plan: its steps in order; one that is left out is taken out.",
        },
        alternative=text(200, says="modify: the label of the chosen alternative."),
        answer={**ANYTHING, "description": "answer: any JSON."},
        stop={**FLAG, "description": "reject: end the whole run."},
        guidance=text(texts.MESSAGE),
        remember={**ANYTHING, "description": "One of the offered permissions."},
    ),
    "Operation": fields(
        ["op", "path"],
        op=one_of(("add", "remove", "replace")),
        path=text(4000, says='A JSON pointer into the arguments; "" is all of them.'),
        value={**ANYTHING, "description": "What is added, or stands there then."},
    ),
    "PlanStepEdit": fields(
        ["id"],
        id=non_empty_text(),
        edits=array(ref("Operation"), edits.MOST_OPERATIONS, least=1),
        verdict=one_of((Verdict.APPROVE, Verdict.MODIFY, Verdict.REJECT)),
        message=text(texts.WHY, says="reject: why."),
    ),
    "Recall": fields(
        ["revision", "round", "digest", "reason"],
        _SEEN,
        says="A recall of exactly what was read: revision, round, digest and, where it has any, stage of the card.",
        reason=one_of(RecallReason.values, says="other: with a message."),
        message=text(texts.MESSAGE, says="For the agent."),
    ),
    "RejectAll": fields(["message"], message=non_empty_text(texts.WHY, says="Why, for the agent.")),
    "StopOrder": fields(
        ["why"], says="Stop everything.", why=non_empty_text(kill_switch.LONGEST_WHY, says="Every page shows it.")
    ),
    "StopLift": fields(
        ["password"],
        says="Lift the stop. A token alone is no fresh login.",
        password=non_empty_text(4096, says="The person's own."),
    ),
    "Batch": fields(
        ["items", "verdict"],
        _VERDICT,
        items=array(fields(["id", "revision", "round", "digest"], _SEEN, id=ID), 1000, least=1),
    ),
}
