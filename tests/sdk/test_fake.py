"""The SDK's fake gateway says nothing that the real one would not say, and takes nothing that it would not take.

A client is led through everything against the fake; then each exchange is held against the published document.
"""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal

import httpx
import jsonschema_rs
import pytest
from assent import Assent, Rejected, StillPending, WorldMoved
from assent.testing import Exchange, FakeGateway, routes, schema

from agents.api.openapi import document
from agents.feed import NAMES
from agents.schemas import COMPONENTS, sent_by_agents

REFUND = {"order": "456", "amount": "420.00", "currency": "EUR"}
# What is not answered with one JSON document of a named shape; each is looked at by itself below.
APART = {"events", "feedback", "keys", "openapi"}


@pytest.fixture
def fake() -> FakeGateway:
    return FakeGateway("robot")


@pytest.fixture
def client(fake, tmp_path) -> Iterator[Assent]:
    with Assent(fake.url, fake.key, transport=fake.transport, state=tmp_path, patience=0.2) as client:
        yield client


@pytest.fixture
def exchanges(fake, client, tmp_path) -> list[Exchange]:
    """A life of an agent with everything that the wire knows."""
    fake.approve("reserve")
    fake.approve("plan")
    with client.run("case/7", "Case 7") as run:
        with run.step("reserve", action="reserve", args={"sku": "A1"}, undo=lambda sku: None) as step:
            assert step.args == {"sku": "A1"}
        fake.reject("no", times=1)
        with pytest.raises(Rejected), run.step("charge", action="charge", args=REFUND):
            raise AssertionError("it ran")
        fake.guide("case/7", "mind the customer")
        assert run.guidance()
    client.whoami()
    question = client.ask("When?", {"type": "string"}, "today")
    fake.answer("Tuesday")
    client.wait(question)
    client.wait(client.plan([{"id": "1", "action": {"name": "reserve", "args": {}}, "undo": {"name": "release"}}]))
    fake.modify("refund", {"amount": "1.00"}, message="less")
    file = tmp_path / "photo.txt"
    file.write_text("a cup, broken")
    photo = client.attach(file)
    with client.guard("refund", REFUND, attachments=[photo.id], subject="customer:1", signals={"tool_validity": 1.0}):
        pass
    used = fake.consumed[-1]
    client.incident(used.request, "high", "too late", item=used.item, cost=Decimal("12.50"))
    for tell in (fake.expire, fake.withdraw, fake.skip, fake.refuse, lambda: fake.pass_by_policy(source="grant")):
        tell()
        client.read(client.submit("other", {}))
    fake.approve("asked", question="Why?")
    request = client.submit("asked", REFUND, summary="s", reasoning="r", context={"a": 1}, alternatives=[])
    with pytest.raises(StillPending):
        client.wait(request, timeout=0)
    [open_question] = client.read(request).questions
    client.lease(request, worker="me")
    client.lease(request, worker="me", release=True)
    client.amend(request, summary="better")
    client.answer(open_question.id, "because")
    fake.hold("held")
    client.cancel(client.submit("held", {}), reason="no longer")
    client.evaluate("refund", REFUND)
    fake.grant("refund", [{"path": "amount", "op": "le", "value": 5}])
    client.grants()
    _refusals(fake, client)
    client.feedback()
    next(iter(client.events("0")))
    return fake.exchanges


def _refusals(fake: FakeGateway, client: Assent) -> None:
    fake.approve("moves")
    fake.returns_world_moved("moves")
    with pytest.raises(WorldMoved):
        client.consume(client.wait(client.submit("moves", {})))
    grant = next(iter(fake.state.grants))
    use = {"key": "k", "at": "2026-11-21T09:00:00Z", "action": {"name": "refund", "args": {}}, "outcome": "succeeded"}
    digest = "sha256:" + "0" * 64
    headers = {"Authorization": f"Bearer {fake.key}"}
    with httpx.Client(base_url=f"{fake.url}/api/v1/", transport=fake.transport, headers=headers) as http:
        http.post(f"grants/{grant}/uses", json={"uses": [{**use, "action_digest": digest}]}).raise_for_status()
        http.post("runs/case/7/steps/reserve/undo", json={"result": "failed", "detail": "busy"})
        http.get("runs/case/7").raise_for_status()
        http.get("requests").raise_for_status()
        http.get("openapi.json").raise_for_status()
        http.get(f"{fake.url}/.well-known/jwks.json").raise_for_status()
        http.post("requests", json={"action": "x", "tier": 1})
        http.get("requests/nowhere")


def check_against(schema: object) -> Callable[[object], None]:
    """A check against a schema of the document; raises jsonschema_rs.ValidationError."""
    validator = jsonschema_rs.validator_for(
        {"allOf": [schema], "components": {"schemas": COMPONENTS}}, validate_formats=True
    )
    return validator.validate


def operation(exchange: Exchange) -> dict:
    """The operation of the document that an exchange is."""
    fitting = []
    method = exchange.method.lower()
    for path, methods in document()["paths"].items():
        pattern = re.sub(r"\\\{\w+\\\}", ".+", re.escape(path))
        if method in methods and re.fullmatch(pattern, exchange.path):
            fitting.append((path.count("/") - path.count("{"), path, methods[method]))
    assert fitting, f"the gateway has no {exchange.method} {exchange.path}"
    return max(fitting)[2]


def test_every_endpoint_of_the_fake_is_tried(exchanges):
    assert {one.name for one in exchanges} - {""} == routes.NAMES


def test_what_it_is_sent_and_answers_is_what_the_document_says(exchanges):
    for exchange in exchanges:
        if exchange.name in APART:
            continue
        operation_document = operation(exchange)
        if isinstance(exchange.body, dict) and exchange.body and exchange.status < 400:
            check_against(operation_document["requestBody"]["content"]["application/json"]["schema"])(exchange.body)
        if exchange.status >= 400:
            check_against({"$ref": "#/components/schemas/Problem"})(exchange.answer)
            continue
        answers = operation_document["responses"]
        assert str(exchange.status) in answers, f"{exchange.method} {exchange.path} answers {exchange.status}"
        try:
            check_against(answers[str(exchange.status)]["content"]["application/json"]["schema"])(exchange.answer)
        except jsonschema_rs.ValidationError as error:
            raise AssertionError(
                f"{exchange.method} {exchange.path}: {error.message} at {error.instance_path}"
            ) from error


def test_the_shapes_that_it_checks_with_are_the_gateways():
    """wire.json is json.dumps(sent_by_agents(), indent=1, sort_keys=True, ensure_ascii=False)."""
    assert schema.wire() == sent_by_agents()


def test_the_lines_of_feedback_and_of_the_feed_have_their_shapes(fake, exchanges):
    [exchange] = [one for one in exchanges if one.name == "feedback"]
    line = check_against({"$ref": "#/components/schemas/FeedbackLine"})
    for row in exchange.answer:
        line(row)
    assert exchange.answer
    event = check_against({"$ref": "#/components/schemas/AgentEvent"})
    for agent_event in fake.state.events:
        event(agent_event)
    assert {one["type"] for one in fake.state.events} <= set(NAMES)


def test_its_permits_have_the_claims_of_real_ones(fake, client, propose, alice):
    from assent import tokens

    from approvals.db import times
    from approvals.decisions.card_version import card_version_of, load
    from approvals.decisions.decide import decide
    from approvals.execution import permits
    from approvals.requests import decision_document

    card = propose()
    decide(card_version_of(card), by=alice, verdict="approve")
    card.refresh_from_db()
    real = decision_document.item_document(
        load(card.pk),
        decision_document.standing_decisions([card])[card.pk],
        card.request,
        agent="robot",
        policies=decision_document.policies_of([card]),
    )
    fake.approve()
    own = client.wait(client.submit("refund", REFUND)).item
    assert set(real) == set(own.document)
    read, made = tokens.read(str(real["permit"])), tokens.read(str(own.permit))
    assert {name: type(value) for name, value in read.claims.items()} == {
        name: type(value) for name, value in made.claims.items()
    }
    assert permits.read(str(real["permit"]), permits.PERMIT, now=times.now())["aud"] == made.claims["aud"]
