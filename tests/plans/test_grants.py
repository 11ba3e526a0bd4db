"""Standing approvals: within a scope, a count, a time and an authority; never for what always asks a person."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import NotAllowed
from approvals.execution import grants
from approvals.execution.grants import BadGrant, GrantRequest, give, revoke
from approvals.models import Agent, Approval, Autonomy, Grant, Membership, Rule
from approvals.policy import grant_conditions, snapshot
from approvals.requests import intake
from approvals.requests.submission import Item, Submission
from tests.checker import check
from tests.conftest import sentences_of
from tests.plans.conftest import together
from tests.web import database_url

CASES = json.loads((Path(__file__).parents[1] / "grants_cases.json").read_text())
SMALL = ({"path": "amount", "op": "le", "value": "500"}, {"path": "currency", "op": "eq", "value": "EUR"})


@pytest.fixture
def standing_approval_wish(robot, refunds):
    def make(**fields):
        defaults = {"agent": robot.pk, "action": "refund", "most": 3, "tier": 1, "conditions": SMALL}
        defaults["expires_at"] = times.now() + timedelta(days=1)
        return GrantRequest(**{**defaults, **fields})

    return make


@pytest.fixture
def standing_approval(standing_approval_wish, bob):
    return give(standing_approval_wish(), by=bob)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["why"])
def test_a_condition_holds_as_the_table_says(case):
    assert grant_conditions.all_hold(case["conditions"], case["args"]) is case["holds"]


# --- What passes


def test_what_it_covers_passes_until_its_count_is_used(standing_approval, propose):
    approvals = [propose(order=str(number)) for number in range(4)]

    assert [one.route for one in approvals] == ["auto", "auto", "auto", "review"]
    assert (approvals[0].source, approvals[0].grant_id, approvals[0].reason_code) == (
        "grant",
        standing_approval.pk,
        "covered",
    )
    assert sentences_of(approvals[0].reasons)[0].startswith("Covered by the standing approval that Bob gave on ")
    assert approvals[0].events.get(kind="released").facts["grant"] == str(standing_approval.pk)
    standing_approval.refresh_from_db()
    assert (standing_approval.used, standing_approval.left) == (3, 0)


@pytest.mark.parametrize(
    "other", [{"amount": 501}, {"currency": "USD"}, {"action": "credit"}], ids=["amount", "currency", "action"]
)
def test_what_lies_beyond_its_scope_is_asked(other, standing_approval, propose, action_type):
    action_type("credit")

    assert propose(**other).route == "review"
    assert propose(agent=Agent.objects.create(name="other")).route == "review"


def test_a_value_that_needs_a_higher_tier_is_asked(standing_approval_wish, bob, propose):
    give(standing_approval_wish(conditions=()), by=bob)

    assert propose(amount=5000).route == "auto"
    assert propose(amount=5000.01).route == "review"


def test_an_expression_narrows_it_further(standing_approval_wish, bob, propose):
    give(standing_approval_wish(expression='args.order.startsWith("9")'), by=bob)

    assert propose(order="91").route == "auto"
    assert propose(order="81").route == "review"


def test_it_is_over_when_its_time_is_or_when_it_is_revoked_at_once(standing_approval, propose, bob):
    with times.at(standing_approval.expires_at):
        assert propose().route == "review"
    assert propose().route == "auto"
    revoke(standing_approval.pk, by=bob)
    assert propose().route == "review"


@pytest.mark.parametrize("what", ["block", "rule", "request", "breaker", "level 1", "manual", "irreversible", "two"])
def test_what_stands_before_it_in_the_table_is_not_lifted(
    what, standing_approval, propose, refunds, robot, open_breaker
):
    if what in ("block", "rule"):
        effect = "block" if what == "block" else "review"
        Rule.objects.create(name="no", action_type=refunds, expression="true", effect=effect, message="no")
    elif what == "manual":
        type(refunds).objects.update(gate="manual")
    elif what == "irreversible":
        type(refunds).objects.update(reversibility="irreversible")
    elif what == "two":
        type(refunds).objects.update(approvers=2)
    elif what == "request":
        Agent.objects.filter(pk=robot.pk).update(paused_at=times.now())
    elif what == "breaker":
        open_breaker(robot, refunds)
    else:
        Autonomy.objects.create(agent=robot, action_type=refunds, level=1)
    snapshot.publish(by=None, note=what)

    assert propose().route == ("reject" if what in ("block", "request") else "review")
    standing_approval.refresh_from_db()
    assert standing_approval.used == 0


@pytest.mark.parametrize("what", ["left", "moved", "operates"])
def test_who_may_not_give_it_any_more_has_not_given_it(what, standing_approval, propose, bob, robot):
    if what == "left":
        bob.is_active = False
        bob.save()
    elif what == "moved":
        Membership.objects.all().delete()
    else:
        robot.operators.add(bob)

    assert propose().route == "review"


def test_a_set_uses_what_is_left_in_the_order_of_arrival(standing_approval, robot, refunds):
    submissions = [
        Submission(
            (Item(id="a", action="refund", args={"order": str(n), "amount": 1, "currency": "EUR"}),), f"sha256:{n}"
        )
        for n in range(5)
    ]

    assert [one.approvals[0].route for one in intake.submit(robot, submissions)] == ["auto"] * 3 + ["review"] * 2


def test_who_has_none_pays_no_query_for_those_who_have(standing_approval, robot, refunds):
    other = Agent.objects.create(name="other")

    def submit(agent, count=1):
        args = {"order": "1", "amount": 1, "currency": "USD"}
        item = Item(id="a", action="refund", args=args)
        intake.submit(agent, [Submission((item,), f"sha256:{number}") for number in range(count)])

    submit(other)
    with CaptureQueriesContext(connection) as beside:
        submit(other)
    Grant.objects.filter(pk=standing_approval.pk).update(
        revoked_at=times.now(), revoked_by=standing_approval.granted_by
    )
    with CaptureQueriesContext(connection) as without:
        submit(other)
    assert len(beside) == len(without)


# --- Who may give what


def test_reviewers_give_up_to_their_own_tier_in_their_own_field(
    standing_approval_wish, alice, bob, carol, mallory, olga, mia, otto, ada, root
):
    give(standing_approval_wish(tier=1), by=alice)
    give(standing_approval_wish(tier=2), by=bob)
    with pytest.raises(BadGrant) as above:
        give(standing_approval_wish(tier=2), by=alice)
    assert [fault.pointer for fault in above.value.faults] == ["/tier"]
    for person in (mallory, olga, mia, otto, ada, root):
        with pytest.raises(NotAllowed):
            give(standing_approval_wish(), by=person)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"conditions": ({"path": "amuont", "op": "le", "value": 1},)}, "/conditions/0/path"),
        ({"conditions": ({"path": "", "op": "eq", "value": 1},)}, "/conditions/0/path"),
        ({"conditions": ({"path": "order", "op": "eq", "value": 456},)}, "/conditions/0/value"),
        ({"conditions": ({"path": "currency", "op": "eq", "value": "SEK"},)}, "/conditions/0/value"),
        ({"conditions": ({"path": "currency", "op": "in", "value": ["EUR", 1]},)}, "/conditions/0/value"),
        ({"conditions": ({"path": "amount", "op": "starts", "value": "4"},)}, "/conditions/0/op"),
        ({"conditions": ({"path": "amount", "op": "le", "value": "much"},)}, "/conditions/0/value"),
        ({"conditions": ({"path": "amount", "op": "like", "value": 1},)}, "/conditions/0/op"),
        ({"conditions": ({"path": "amount"},)}, "/conditions/0"),
        ({"expression": "args.amount >"}, "/expression"),
        ({"expression": "args.amuont > 1.0"}, "/expression"),
        ({"most": 0}, "/most"),
        ({"most": 1001}, "/most"),
        ({"tier": 9}, "/tier"),
        ({"reserved": 1}, "/reserved"),  # refunds are partially reversible
        ({"action": "nothing"}, "/action"),
    ],
)
def test_a_wish_that_cannot_be_names_its_field(fields, pointer, standing_approval_wish, bob):
    with pytest.raises(BadGrant) as refused:
        give(standing_approval_wish(**fields), by=bob)

    assert pointer in {fault.pointer for fault in refused.value.faults}


@pytest.mark.parametrize("days", [-1, 0, 91])
def test_it_ends_ahead_and_within_three_months(days, standing_approval_wish, bob):
    with pytest.raises(BadGrant):
        give(standing_approval_wish(expires_at=times.now() + timedelta(days=days)), by=bob)


@pytest.mark.parametrize("kind", [{"reversibility": "irreversible"}, {"gate": "manual"}, {"approvers": 2}])
def test_what_a_person_always_decides_is_refused_by_the_domain_and_by_the_database(
    kind, action_type, standing_approval_wish, bob, robot
):
    action_type("wipe", **kind)
    with pytest.raises(BadGrant):
        give(standing_approval_wish(action="wipe", conditions=()), by=bob)

    now = times.now()
    with pytest.raises(IntegrityError, match="a person always decides"), transaction.atomic():
        ends = now + timedelta(days=1)
        Grant.objects.create(
            agent=robot, action_type_id="wipe", tier_id=1, most=1, expires_at=ends, granted_by=bob, granted_at=now
        )


def test_the_database_refuses_a_use_beyond_the_bounds_and_any_widening(standing_approval, propose, refund):
    with pytest.raises(IntegrityError, match="used or revoked, never changed"), transaction.atomic():
        Grant.objects.filter(pk=standing_approval.pk).update(most=100)
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.filter(pk=standing_approval.pk).update(used=4)
    with pytest.raises(IntegrityError), transaction.atomic():
        standing_approval.delete()
    passed = propose()
    for change in ({"reversibility": "irreversible"}, {"gate": "manual"}, {"route": "reject"}, {"grant": None}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Approval.objects.filter(pk=passed.pk).update(**change)


# --- On a card


def test_it_is_given_with_the_approval_in_one_step(standing_approval_wish, propose, bob, refund):
    approved, grant = grants.approve_and_give(
        card_version_of(refund), standing_approval_wish(), by=bob, verdict_input=VerdictInput()
    )

    assert (approved.verdict, grant.origin) == ("approve", approved)
    assert load(refund.pk).events.get(kind="granted").facts["grant"] == str(grant.pk)
    assert propose(order="9").grant_id == grant.pk


def test_a_wish_that_cannot_be_approves_nothing(standing_approval_wish, bob, refund):
    with pytest.raises(BadGrant):
        grants.approve_and_give(
            card_version_of(refund), standing_approval_wish(most=0), by=bob, verdict_input=VerdictInput()
        )

    assert load(refund.pk).status == "pending"


def test_given_on_a_card_it_covers_what_the_card_shows(standing_approval_wish, bob, propose):
    big = decide(card_version_of(propose(amount=900)), by=bob, verdict="approve")
    with pytest.raises(BadGrant) as refused:
        give(standing_approval_wish(), by=bob, origin=big)

    assert refused.value.faults[0].pointer == "/conditions"


def test_against_a_block_nothing_is_given(standing_approval_wish, bob, refund, refunds):
    approved = decide(card_version_of(refund), by=bob, verdict="approve")
    Rule.objects.create(name="no", action_type=refunds, expression="true", effect="block", message="no")
    snapshot.publish(by=None, note="no")

    with pytest.raises(BadGrant, match="Refused by the rule"):
        give(standing_approval_wish(), by=bob, origin=approved)


def test_after_a_rejection_nothing_is_given(standing_approval_wish, bob, refund):
    rejected = decide(card_version_of(refund), by=bob, verdict="reject", verdict_input=VerdictInput(message="no"))
    with pytest.raises(NotAllowed):
        give(standing_approval_wish(), by=bob, origin=rejected)


def test_while_the_verdict_can_be_taken_back_it_covers_nothing_and_goes_with_it(
    with_undo, standing_approval_wish, bob, propose
):
    card = propose()
    held, grant = grants.approve_and_give(
        card_version_of(card), standing_approval_wish(), by=bob, verdict_input=VerdictInput()
    )
    assert (held.status, propose(order="2").route) == ("held", "review")
    undo(held.pk, by=bob)
    grant.refresh_from_db()

    assert grant.revoked_by == bob
    assert load(card.pk).events.filter(kind="granted").count() == 2


def test_only_who_could_give_it_revokes_it(standing_approval, alice, carol, mallory, olga, mia, otto, ada, root):
    for person in (mallory, olga, mia, otto, ada, root):
        with pytest.raises(NotAllowed):
            revoke(standing_approval.pk, by=person)
    revoke(standing_approval.pk, by=carol)
    revoke(standing_approval.pk, by=alice)  # once more changes nothing
    standing_approval.refresh_from_db()
    assert standing_approval.revoked_by == carol


# --- Races


@pytest.mark.django_db(transaction=True)
def test_of_twenty_at_once_as_many_pass_as_there_are_uses(standing_approval, propose):
    approvals = together(lambda: propose(), 20)

    assert not [one for one in approvals if isinstance(one, Exception)]
    assert sorted(one.route for one in approvals) == ["auto"] * 3 + ["review"] * 17
    standing_approval.refresh_from_db()
    assert standing_approval.used == 3
    assert check(database_url()) == []
