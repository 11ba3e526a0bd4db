"""The shapes of words both ways: amendments, questions, guidance, incidents, files, and what decisions teach."""

from agents.schemas.build import (
    ANYTHING,
    DIGEST,
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
    text,
)
from agents.schemas.incoming import COMPONENTS as INCOMING
from approvals.models import Incident, Outcome
from approvals.models.policy import Verdict
from approvals.models.states import Source
from approvals.requests.attachments import ENDINGS
from approvals.values import texts

# What an item may say and its amendment may say anew.
_REVISED = ("summary", "reasoning", "context", "alternatives", "signals", "current", "preconditions", "attachments")


def _of_item(names: tuple[str, ...]) -> dict[str, Schema]:
    properties = INCOMING["Item"]["properties"]
    assert isinstance(properties, dict)  # noqa: S101  # for the type checker: it is built so
    return {name: dict(properties[name]) for name in names}


COMPONENTS: dict[str, Schema] = {
    "Amendment": {
        **fields(
            [],
            _of_item(_REVISED),
            says="What the agent revises; what is not named stays as it proposed it last.",
            args={**ANYTHING, "description": "The full replacement of the arguments."},
        ),
        "minProperties": 1,
    },
    "Question": answer_object(
        {"from": {**STRING, "description": "Who asks."}},
        id=ID,
        item=STRING,
        text={**STRING, "description": "A reviewer's words."},
        asked_at=TIME,
    ),
    "QuestionAnswer": fields(["answer"], answer=text(texts.ACCOUNT, shortest=1)),
    "AnsweredQuestion": answer_object(id=ID, request=ID, item=STRING, text=STRING, answer=STRING, answered_at=TIME),
    "Guidance": answer_object(
        {"from": STRING},
        id=ID,
        text={**STRING, "description": "Advice, and no condition of any verdict."},
        given_at=TIME,
        request=or_null(ID),
        item=or_null(STRING),
    ),
    "GuidanceList": answer_object(guidance=array(ref("Guidance"), says="In the order given, at most 200.")),
    "IncidentReport": fields(
        ["request", "item", "severity", "text"],
        request=ID,
        item=non_empty_text(),
        severity=one_of(Incident.Severity.values),
        text=text(texts.ACCOUNT, shortest=1),
        cost={**text(20), "description": 'What it cost, in base currency, like "420.00"; empty or absent: unknown.'},
    ),
    "IncidentState": answer_object(
        id=ID,
        request=ID,
        item=STRING,
        severity=one_of(Incident.Severity.values),
        text=STRING,
        cost={**or_null(STRING), "description": "In base currency; null: unknown."},
        opened_at=TIME,
    ),
    "Attachment": answer_object(
        id={**ID, "description": "What an item's attachments name."},
        name={**STRING, "description": "Cleaned: no path, nothing hidden, ending as its kind does."},
        media_type=one_of(list(ENDINGS)),
        size=WHOLE,
        digest={**DIGEST, "description": "Of the bytes; it goes into the action digest."},
    ),
    "FeedbackLine": answer_object(
        says="One line of JSON for each decision.",
        request=ID,
        item=STRING,
        action=or_null(STRING),
        question={**or_null(STRING), "description": "What was asked, where it was a question."},
        proposed=ANYTHING,
        decided={**ANYTHING, "description": "The arguments that may run; null: none."},
        verdict=one_of(Verdict.values),
        source=one_of(Source.values),
        reason={**STRING, "description": "From the pick-list of reasons; empty without one."},
        message=or_null(STRING),
        alternative=or_null(STRING),
        answer=ANYTHING,
        guidance=or_null(STRING),
        edits=array(
            fields(["path"], {"from": ANYTHING, "to": ANYTHING}, path={**STRING, "description": "JSON pointer."})
        ),
        outcome=or_null(one_of(Outcome.Result.values)),
        decided_at=TIME,
        policy_version=WHOLE,
    ),
}
