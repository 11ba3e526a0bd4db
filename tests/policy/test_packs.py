from dataclasses import replace
from datetime import timedelta

import pytest

from approvals.models import ActionType, Currency, Rule, Tier
from approvals.policy import snapshot
from approvals.policy.assessment import assess, read_histories
from approvals.policy.authoring import packs
from approvals.policy.authoring.documents import snapshot_of_tables
from approvals.policy.authoring.fields import ACTION_TYPE, RULE
from approvals.policy.evaluation_input import History
from approvals.policy.precedent.flags import LABELS
from approvals.policy.precedent.signals import WEIGHTS
from approvals.policy.routing import route
from approvals.policy.routing_decision import AgentStanding
from approvals.policy.rules.expressions import compiled_expression
from approvals.policy.rules.fit import unfit
from approvals.values.schema import check_schema, headline
from tests.conftest import sentences_of

EVERY = [(scenario.pack, scenario.name, scenario) for name in packs.names() for scenario in packs.read(name).scenarios]


@pytest.fixture(scope="module")
def shipped():
    return packs.policy()


@pytest.mark.parametrize(("pack", "name", "scenario"), EVERY, ids=[f"{pack}: {name}" for pack, name, _ in EVERY])
def test_the_scenario_takes_its_route(shipped, now, pack, name, scenario):
    question = scenario.question(shipped, now=now)
    assert question.type.check(scenario.args) == []
    assert "?" not in headline(question.type.headline, scenario.args)
    standing = AgentStanding(level=scenario.level or question.type.level)
    routing = route(question, assess(question, scenario.past), shipped, standing)
    assert (routing.route, routing.tier, routing.reason_code) == (scenario.route, scenario.tier, scenario.reason_code)
    assert sentences_of(routing.reasons)
    own = question.type.domain
    if scenario.stages:
        assert routing.stages == tuple(replace(one, domain=one.domain or own) for one in scenario.stages)
    assert routing.typed >= scenario.typed


def test_together_they_take_every_route_and_tier():
    reached = {(scenario.route, scenario.tier) for *_, scenario in EVERY}
    assert {("auto", 1), ("review", 1), ("review", 2), ("review", 3), ("reject", 1)} <= reached


@pytest.mark.parametrize("name", packs.names())
def test_a_pack_is_a_real_start(name):
    pack = packs.read(name)
    types = {one: row for one, row in pack.snapshot["types"].items() if one not in ("question", "plan", "canary")}
    assert len(pack.scenarios) >= 6
    assert {scenario.action for scenario in pack.scenarios} == set(types)
    for type_name, row in types.items():
        type = ActionType(name=type_name, **ACTION_TYPE.columns(row))
        type.clean_fields(exclude=["domain", "tier"])
        assert check_schema(type.schema) == []
        assert len(type.policy_text) > 80
        assert len(row["rules"]) >= 2
        assert set(type.flags) <= set(LABELS)
        assert set(type.weights) <= set(WEIGHTS)
        assert all(field.get("title") for field in type.schema["properties"].values())
        for rule in (Rule(**RULE.columns(rule_row)) for rule_row in row["rules"]):
            rule.clean_fields(exclude=["action_type", "tier"])
            assert unfit(compiled_expression(rule.expression), type.schema, type.title) == []


def test_the_order_of_fields_is_written_down(shipped):
    assert list(shipped.types["send_mail"].schema["properties"]) == ["to", "subject", "body"]


def test_customer_mail_always_asks_the_frontline(shipped):
    mail = shipped.types["send_mail"]
    assert (mail.reversibility, mail.strategy, mail.gate, mail.tier) == ("partial", "always", "hard", 1)


def test_every_installation_routes_questions_and_plans():
    core = packs.policy(packs.CORE)
    everyday = {"send_email", "delete_record", "execute_payment", "publish_post"}
    assert set(core.types) == {"question", "plan", "canary"} | everyday
    assert list(core.tiers) == [1, 2, 3]
    assert [tier.sla for tier in core.tiers.values()] == [
        timedelta(minutes=15),
        timedelta(hours=1),
        timedelta(hours=4),
    ]
    assert (core.base, core.rates["EUR"]) == ("EUR", 1)


@pytest.mark.parametrize(
    ("action", "args"),
    [
        ("send_email", {"to": "ann@x.example"}),
        ("send_email", {"to": ["ann@x.example"], "subject": "Hi", "body": "Hello", "cc": None, "html": True}),
        ("delete_record", {"record": 4711}),
        ("delete_record", {"record": "customer/4711", "table": "customers"}),
        ("execute_payment", {"recipient": "Miller", "amount": 420, "currency": "eur"}),
        ("execute_payment", {"recipient": "Miller", "amount": "420.00", "currency": "JPY", "iban": "DE02"}),
        ("publish_post", {"text": "Hello"}),
        ("publish_post", {"text": "Hello", "channel": "blog", "tags": ["a"]}),
    ],
)
def test_an_agents_first_try_is_answered_by_the_core_and_asks_a_person(shipped, now, action, args):
    scenario = replace(packs.read("core").scenarios[0], action=action, args=args, signals={})
    question = scenario.question(shipped, now=now)
    assert question.type.check(args) == []
    for level in (1, 2):
        routing = route(question, assess(question, History()), shipped, AgentStanding(level=level))
        assert (routing.route, routing.approvable) == ("review", True), sentences_of(routing.reasons)
        assert not any("could not be evaluated" in reason for reason in sentences_of(routing.reasons))


def test_a_policy_read_from_files_is_the_one_published_from_tables(db):
    for name in packs.names():
        packs.load(name)
    snapshot.publish(by=None, note="packs")
    in_tables, in_files = snapshot.current(), packs.policy()
    assert in_tables.types == in_files.types
    assert in_tables.tiers == in_files.tiers
    assert in_tables.rates == in_files.rates


def test_loading_again_changes_nothing(published):
    packs.load("commerce")
    assert snapshot.publish(by=None, note="again") == published.version


def test_loading_leaves_tiers_rates_and_own_rules_of_the_admin_alone(published):
    Tier.objects.filter(level=1).update(ceiling=250)
    Currency.objects.filter(code="USD").update(rate="0.9")
    Rule.objects.create(name="ours", action_type_id="refund", expression="value > 1.0", message="Ours.")
    packs.load("commerce")
    assert Tier.objects.get(level=1).ceiling == 250
    assert Rule.objects.filter(name="ours").exists()
    assert snapshot_of_tables()["rates"]["USD"] == "0.9"


def test_a_changed_schema_is_a_new_version_of_it(published):
    ActionType.objects.filter(name="refund").update(schema={"type": "object"})
    packs.load("commerce")
    assert ActionType.objects.get(name="refund").schema_version == 2
    packs.load("commerce")
    assert ActionType.objects.get(name="refund").schema_version == 2


@pytest.mark.parametrize(("approved", "refused", "expected"), [(60, 1, "auto"), (0, 0, "review"), (3, 27, "review")])
def test_a_refund_by_the_history_in_the_tables(published, past_approval, now, approved, refused, expected):
    past_approval("refund", times=approved, value="40.00")
    past_approval("refund", times=refused, verdict="reject")
    (scenario,) = (one for one in packs.read("commerce").scenarios if one.name.startswith("a small refund"))
    question = replace(scenario.question(published.policy, now=now), agent_id=published.robot.pk)
    (past,) = read_histories([question])
    routing = route(question, assess(question, past), published.policy, AgentStanding(level=question.type.level))
    assert routing.route == expected
