"""One table of submissions, sent to the fake gateway and to the real one: both take the same, and refuse the same with
the same status, code and pointers."""

import json

import httpx
import pytest
from assent.testing import FakeGateway

from agents import keys
from approvals.models.policy import Verdict

SCHEMA = {
    "type": "object",
    "required": ["order", "amount", "currency"],
    "additionalProperties": False,
    "properties": {
        "order": {"type": "string", "pattern": "^[0-9]{1,6}$"},
        "amount": {"type": "number", "exclusiveMinimum": 0, "maximum": 1000, "multipleOf": 0.5},
        "currency": {"enum": ["EUR", "USD"]},
        "note": {"type": ["string", "null"], "maxLength": 5},
        "lines": {
            "type": "array",
            "minItems": 1,
            "maxItems": 2,
            "uniqueItems": True,
            "items": {"$ref": "#/$defs/line"},
        },
        "when": {"type": "string", "format": "date-time"},
        "day": {"type": "string", "format": "date"},
        "to": {"anyOf": [{"type": "string", "format": "email"}, {"type": "integer"}]},
        "kind": {"const": "goodwill"},
        "tags": {
            "type": "object",
            "propertyNames": {"pattern": "^[a-z]+$"},
            "additionalProperties": {"type": "string"},
        },
    },
    "$defs": {
        "line": {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string", "minLength": 1}}}
    },
}
ARGS = {"order": "456", "amount": 420, "currency": "EUR"}


def flat(**changes):
    return {"action": "refund", "args": ARGS, **changes}


def args(**changes):
    return flat(args={**ARGS, **changes})


def items(*more, **changes):
    return {"items": [{"id": "a", "action": {"name": "refund", "args": ARGS}, **changes}, *more]}


def plan(*steps):
    return {"plan": {"steps": list(steps)}}


def step(**changes):
    return {"id": "one", "action": {"name": "refund", "args": ARGS}, **changes}


BODIES = {
    # taken
    "flat": flat(),
    "items": items(),
    "two": items({"id": "b", "question": {"prompt": "When?"}}),
    "a question": {"question": {"prompt": "When?", "response_schema": {"type": "string"}, "best_guess": "now"}},
    "a plan": plan(step(), step(id="two", depends_on=["one"])),
    "text that did not parse": flat(args="{order: 456"),
    "everything": flat(
        id="call_1", summary="s", reasoning="r", context={"a": 1}, alternatives=[{"label": "less", "args": ARGS}],
        signals={"stated_confidence": 0.5}, value="420.00", subject="customer:1", current={"x": 1},
        preconditions={"v": 1}, rename_to=["credit"], remember=[{"a": 1}], args_schema={}, undo={"name": "take_back"},
        allowed=["approve", "reject"], run={"id": "r", "name": "n", "step": "s"}, decide="independently",
        timeout_s=90.5, on_timeout="reject", agent={"model": "m"}, resume={"a": 1}, labels={"env": "prod"},
    ),
    "all arguments": args(
        note=None, lines=[{"sku": "A"}], when="2026-11-21T09:00:00Z", day="2026-11-21", to="m@example.org",
        kind="goodwill", tags={"a": "b"},
    ),
    "a whole number as a float": args(to=1.0),
    # the wire
    "nothing": {},
    "no items": {"items": []},
    "items that are none": {"items": [7]},
    "items that are an object": {"items": {}},
    "an unknown field": flat(tier=1),
    "an unknown field of an item": items(tier=1),
    "an unknown field of an action": {"items": [{"id": "a", "action": {"name": "refund", "tier": 1}}]},
    "no name": {"items": [{"id": "a", "action": {"args": {}}}]},
    "no id": {"items": [{"action": {"name": "refund", "args": ARGS}}]},
    "an empty id": items(id=""),
    "a long id": items(id="x" * 201),
    "the same id twice": items({"id": "a", "question": {"prompt": "When?"}}),
    "an action that is none": flat(action=7),
    "action and question": flat(question={"prompt": "?"}),
    "neither": {"summary": "s"},
    "an item of neither": {"items": [{"id": "a", "summary": "s"}]},
    "question as an action": flat(action="question", args={}),
    "plan as an action": flat(action="plan", args={}),
    "an undo of a question": {"question": {"prompt": "?"}, "undo": {"name": "x"}},
    "an undo without a name": flat(undo={"args": {}}),
    "arguments without an action": {"question": {"prompt": "?"}, "args": {}},
    "a question without a prompt": {"question": {}},
    "an empty prompt": {"question": {"prompt": ""}},
    "a plan without steps": plan(),
    "a step without an id": plan({"action": {"name": "refund", "args": ARGS}}),
    "the same step twice": plan(step(), step()),
    "a step before its own": plan(step(depends_on=["two"]), step(id="two")),
    "a verdict that there is not": flat(allowed=["approve", "perhaps"]),
    "no verdict": flat(allowed=[]),
    "a verdict twice": flat(allowed=["approve", "approve"]),
    "a summary that is none": flat(summary=7),
    "a long summary": flat(summary="x" * 4001),
    "a context that is a list": flat(context=[]),
    "an alternative without a label": flat(alternatives=[{"args": {}}]),
    "a signal beyond its share": flat(signals={"stated_confidence": 1.5}),
    "a signal of another name": flat(signals={"Stated": 0.5}),
    "a negative value": flat(value=-1),
    "a value in words": flat(value="much"),
    "a value with a line break": flat(value="420\n"),
    "an empty subject": flat(subject=""),
    "no subject": flat(subject=None),
    "an attachment that is no id": flat(attachments=["photo"]),
    "a schema of its own": flat(args_schema={"type": "object"}),
    "a deadline of nothing": flat(timeout_s=0),
    "a deadline in words": flat(timeout_s="90"),
    "a deadline that is true": flat(timeout_s=True),
    "a deadline in two years": flat(timeout_s=2 * 366 * 86_400),
    "a silence that there is not": flat(on_timeout="proceeed"),
    "a decide that there is not": flat(decide="both"),
    "a run without an id": flat(run={"name": "n"}),
    "an agent of a version": flat(agent={"version": "1"}),
    "a resume that is a list": flat(resume=[]),
    "a large resume": flat(resume={"a": "x" * 70_000}),
    "labels that are numbers": flat(labels={"env": 7}),
    "an empty key": flat(idempotency_key=""),
    "a key that is a number": flat(idempotency_key=7),
    "a nul": flat(summary="a\x00b"),
    "half a character": flat(context={"a": "\ud800"}),
    "a nul in a name": flat(context={"a\x00": 1}),
    "33 levels": flat(context=json.loads('{"a":' * 33 + "1" + "}" * 33)),
    # policy
    "an action type that there is not": flat(action="wire"),
    "an action type of a plan that there is not": plan(step(action={"name": "wire", "args": {}})),
    "silence that would approve": flat(on_timeout="approve"),
    "silence that would proceed": flat(on_timeout="proceed"),
    "verdicts that none of is offered": flat(allowed=["answer"]),
    # the action type's schema
    "arguments that are a list": flat(args=[]),
    "arguments that are nothing": flat(args=None),
    "no arguments": {"action": "refund"},
    "a missing argument": flat(args={"order": "456", "amount": 1}),
    "two missing arguments": flat(args={"order": "456"}),
    "an unknown argument": args(tier=1),
    "an argument with a slash": args(**{"a/b~c": 1}),
    "an order that is a number": args(order=456),
    "an order in letters": args(order="abc"),
    "an order with a line break": args(order="456\n"),
    "an amount of nothing": args(amount=0),
    "an amount beyond": args(amount=1000.5),
    "an amount between": args(amount=1.25),
    "an amount in words": args(amount="420"),
    "another currency": args(currency="GBP"),
    "a long note": args(note="123456"),
    "a note of 5 characters": args(note="12🙂45"),
    "no lines": args(lines=[]),
    "three lines": args(lines=[{"sku": "A"}, {"sku": "B"}, {"sku": "C"}]),
    "the same line twice": args(lines=[{"sku": "A"}, {"sku": "A"}]),
    "a line without a sku": args(lines=[{"sku": "A"}, {}]),
    "a line with an empty sku": args(lines=[{"sku": ""}]),
    "a time without a zone": args(when="2026-11-21T09:00:00"),
    "a day that there is not": args(day="2026-02-30"),
    "neither mail nor number": args(to="nobody"),
    "another kind": args(kind="other"),
    "a tag in capitals": args(tags={"A": "b"}),
    "a tag that is a number": args(tags={"a": 1}),
    "an argument of a plan": plan(step(action={"name": "refund", "args": {**ARGS, "amount": "1"}})),
    "an argument of an item": items({"id": "b", "action": {"name": "refund", "args": {}}}),
    "an argument of an alternative": flat(alternatives=[{"label": "less", "args": {"order": "456"}}]),
}  # fmt: skip
GOOD = json.dumps(flat())
RAW = {
    "empty": ("", {}),
    "no json": ("{'a': 1}", {}),
    "two documents": (GOOD + "{}", {}),
    "a list": ("[]", {}),
    "a text": ('"a"', {}),
    "null": ("null", {}),
    "twice": ('{"action": "refund", "action": "wire"}', {}),
    "NaN": ('{"value": NaN}', {}),
    "Infinity": ('{"value": -Infinity}', {}),
    "a byte order mark": ("\ufeff" + GOOD, {}),
    "beyond 2^53": ('{"action": "refund", "args": {"a": [1, 9007199254740993], "b/c": -9007199254740992}}', {}),
    "a float beyond": ('{"action": "refund", "context": {"a": 1e22, "b": 1e400}}', {}),
    "too large": (json.dumps(flat(reasoning="x" * 1_100_000)), {}),
    "deep": ('{"context": ' + "[" * 5000 + "]" * 5000 + "}", {}),
    "another media type": (GOOD, {"Content-Type": "text/plain"}),
    "no media type": (GOOD, {"Content-Type": ""}),
    "another character set": (GOOD, {"Content-Type": "application/json; charset=latin-1"}),
    "in UTF-8": (GOOD, {"Content-Type": "application/json; charset=UTF-8"}),
    "no key": (GOOD, {"Authorization": ""}),
    "another key": (GOOD, {"Authorization": "Bearer asn_other"}),
    "a long idempotency key": (GOOD, {"Idempotency-Key": "x" * 256}),
    "two idempotency keys": (json.dumps(flat(idempotency_key="a")), {"Idempotency-Key": "b"}),
}
TABLE = {**{name: (json.dumps(body), {}) for name, body in BODIES.items()}, **RAW}


@pytest.fixture
def kinds(action_type):
    """The same action types on both sides."""
    fields = {"schema": SCHEMA, "value_path": "amount", "allowed": ["approve", "modify", "reject"]}
    made = action_type("refund", **{name: value for name, value in fields.items() if _is_field(name)})
    bare = {"schema": {}, "value_path": "", "currency_path": "", "subject_path": ""}
    action_type("question", reversibility="reversible", gate="clarify", allowed=["answer", "reject"], **bare)
    action_type("plan", headline="carry out {steps}", **bare)
    fake = FakeGateway("robot")
    allowed = getattr(made, "allowed", None) or ["approve", "modify", "reject"]
    fake.action_type("refund", SCHEMA, allowed=[verdict for verdict in allowed if verdict in Verdict.values])
    fake.hold()
    return fake


def _is_field(name: str) -> bool:
    from approvals.models import ActionType

    return name in {field.name for field in ActionType._meta.get_fields()}


def answer(http: httpx.Client, raw: str, headers: dict[str, str]) -> tuple[int, str, list[str]]:
    """Status, code and pointers."""
    sent = {"Content-Type": "application/json", **headers}
    response = http.post("/api/v1/requests", content=raw.encode("utf-8", "surrogatepass"), headers=sent)
    if response.status_code < 300:
        return response.status_code, "", []
    problem = response.json()
    return response.status_code, problem["code"], sorted(error["pointer"] for error in problem.get("errors", []))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_both_take_and_refuse_the_same(kinds, web, robot):
    """Every difference at once; each is a body that a test of an agent would wrongly be told about."""
    keys.forget()
    key, differences = keys.issue(agent=robot, name="table")[1], {}
    with (
        httpx.Client(base_url=kinds.url, transport=kinds.transport) as fake,
        httpx.Client(base_url=web.url, timeout=30) as real,
    ):
        for name, (raw, headers) in TABLE.items():
            own = answer(fake, raw, {"Authorization": f"Bearer {kinds.key}", **headers})
            theirs = answer(real, raw, {"Authorization": f"Bearer {key}", **headers})
            if own != theirs:
                differences[name] = {"fake": own, "real": theirs}
    assert differences == {}


def test_a_reviewer_of_a_test_can_do_no_more_than_a_real_one():
    fake = FakeGateway()
    fake.action_type("refund", SCHEMA, allowed=["approve", "modify"])
    headers = {"Authorization": f"Bearer {fake.key}"}
    with httpx.Client(base_url=fake.url, transport=fake.transport, headers=headers) as http:
        fake.modify("refund", {"amount": 5000})
        with pytest.raises(AssertionError, match="/amount"):
            http.post("/api/v1/requests", json=flat())
        fake.reject("no", action="refund")
        with pytest.raises(AssertionError, match="offered are approve, modify"):
            http.post("/api/v1/requests", json=flat())
