"""Writing a rule in the admin: what is offered while typing, the check beside the box, stages as rows."""

import json

import pytest
from django.urls import reverse

from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Rule, Tier
from approvals.policy import snapshot
from approvals.policy.authoring import versions as drafts
from tests.conftest import replace_arguments

ADD = "/admin/approvals/rule/add/"
CHANGE = "/admin/approvals/rule/{}/change/"
RULE = {"name": "big", "expression": "value > 250.0", "effect": "review", "message": "It is big."}


@pytest.fixture
def desk(as_, admin, refunds, alice, bob, carol):
    """An admin at work in an installation where every tier has somebody."""
    return as_(admin)


@pytest.fixture
def check(desk):
    """check("value > 5.0"): what the box shows beside it."""

    def ask(text, type="refund", effect="review"):
        form = {"expression": text, "action_type": type, "effect": effect}
        return desk.post(reverse("admin:approvals_rule_check"), form).json()

    return ask


# --- While typing


def test_the_action_types_own_fields_are_offered_with_type_and_title(desk, refunds):
    refunds.schema = {
        "type": "object",
        "properties": {
            "order": {"type": "string", "title": "Order"},
            "customer": {"$ref": "#/definitions/customer"},
            "lines": {"type": "array", "title": "Lines"},
            "odd-name": {"type": "boolean"},
        },
        "definitions": {"customer": {"type": "object", "properties": {"id": {"type": "integer", "title": "Id"}}}},
    }
    refunds.save()

    names = desk.get(reverse("admin:approvals_rule_names"), {"action_type": "refund"}).json()["names"]
    offered_fields = {name["insert"]: (name["words"], name["title"]) for name in names if not name["of"]}

    assert [name["insert"] for name in names][:5] == [
        *("args.order", "args.customer", "args.customer.id", "args.lines", 'args["odd-name"]')
    ]
    assert offered_fields["args.order"] == ("text", "Order")
    assert offered_fields["args.customer.id"] == ("whole number", "Id")
    assert offered_fields["run.rejected"] == ("whole number", "refusals in the run")
    assert {
        "value",
        "currency",
        "agent",
        "action",
        "context",
        "now",
        "signals.precedent",
        "has(",
    } <= offered_fields.keys()
    assert ("startsWith(", "text") in {(name["insert"], name["of"]) for name in names}


def test_without_an_action_type_everything_but_its_fields_is_offered(desk):
    names = desk.get(reverse("admin:approvals_rule_names")).json()["names"]

    assert [name["insert"] for name in names if name["insert"].startswith("args")] == ["args"]


def test_everything_that_is_offered_compiles(desk, check):
    names = desk.get(reverse("admin:approvals_rule_names"), {"action_type": "refund"}).json()["names"]

    for name in names:
        if name["kind"] != "function":
            assert check(f"{name['insert']} == {name['insert']}")["faults"] == [], name


def test_the_box_knows_where_to_ask(desk):
    page = desk.get(ADD).content.decode()

    assert 'data-names="/admin/approvals/rule/names/"' in page
    assert 'data-check="/admin/approvals/rule/check/"' in page
    assert '<script src="/static/js/admin-rule.js" type="module"></script>' in page


# --- The check beside the box


def test_the_check_says_it_in_words_and_how_often_it_was_true(check, propose):
    for amount in (100, 300, 400):
        propose(amount=amount, order=str(amount))

    answer = check('value > 250.0 && args.currency == "EUR"')

    assert answer == {
        "faults": [],
        "words": "the value is above 250 and currency is EUR",
        "past": "True of 2 of the last 3 approvals of “Refund”.",
    }


def test_the_check_points_at_the_place(check):
    [fault] = check("value > 5.0 &&\n  args.amuont > 1.0")["faults"]

    assert (fault["line"], fault["column"]) == (2, 7)
    assert "Did you mean args.amount?" in fault["message"]
    [fault] = check("value >")["faults"]
    assert (fault["line"], fault["column"]) == (1, 8)


def test_the_check_refuses_what_saving_would(check):
    [fault] = check("context.lines.map(x, x) == [1]")["faults"]
    assert "a rule may take" in fault["message"]
    [fault] = check("context.vouched", effect="allow")["faults"]
    assert "must not talk itself through" in fault["message"]
    assert check("context.vouched")["faults"] == []


def test_the_check_tells_what_could_not_be_told(check, propose):
    propose(context={})

    past = check("context.order_total > 5.0")["past"]

    assert past == (
        "True of 0 of the last 1 approvals of “Refund”. Of 1 it could not be told, and a person would be asked."
    )


def test_the_check_has_nothing_to_try_at_first(check):
    assert check("value > 5.0")["past"] == "Nothing to try it on yet: no approval of this action type."
    assert check("value > 5.0", type="")["past"] == "Nothing to try it on yet."


def test_the_check_looks_at_what_the_agent_proposed_and_shows_nothing_of_it(check, propose, bob):
    approval = propose(amount=300, order="SECRET-1", summary="SECRET-2")
    args = {"order": "SECRET-1", "amount": 7, "currency": "EUR"}
    decide(
        card_version_of(approval), by=bob, verdict="modify", verdict_input=VerdictInput(edits=replace_arguments(args))
    )

    answer = json.dumps(check("args.amount == 300"))

    assert "True of 1 of the last 1" in answer
    assert "SECRET" not in answer


def test_the_check_counts_in_a_constant_number_of_queries(check, propose, django_assert_max_num_queries):
    check("value > 5.0")
    for number in range(3):
        propose(order=str(number))
    with django_assert_max_num_queries(12):
        check("value > 5.0")


def test_the_list_says_conditions_in_words(desk, refunds):
    Rule.objects.create(**{**RULE, "action_type": refunds})

    assert "the value is above 250" in desk.get("/admin/approvals/rule/").content.decode()


# --- Stages


def stages(*rows):
    """The fields of the rows as a browser sends them: all five, the unused ones empty."""
    rows = [*rows, *[("", "", "1")] * (5 - len(rows))]
    columns = zip(*rows, strict=True)
    return dict(zip(("stages-tier", "stages-domain", "stages-approvers"), map(list, columns), strict=True))


def test_stages_are_saved_in_the_order_of_their_rows(desk, save, admin):
    answer = save(desk, ADD, **RULE, **stages(("1", "", "1"), ("2", "commerce", "1"), ("3", "", "1")))

    assert answer.status_code == 302, answer.content.decode()
    saved = Rule.objects.get().stages
    assert saved == [
        {"tier": 1, "domain": "", "approvers": 1},
        {"tier": 2, "domain": "commerce", "approvers": 1},
        {"tier": 3, "domain": "", "approvers": 1},
    ]
    drafts.publish(by=admin, note="stages", digest=drafts.draft().digest)
    [rule] = snapshot.current().types["refund"].rules
    assert [stage.tier for stage in rule.stages] == [1, 2, 3]

    # What is shown is what is sent back.
    assert save(desk, CHANGE.format(Rule.objects.get().pk)).status_code == 302
    assert Rule.objects.get().stages == saved
    assert not drafts.draft().differs


def test_a_row_in_the_middle_may_be_left_empty(desk, save):
    save(desk, ADD, **RULE, **stages(("1", "", "1"), ("", "", "1"), ("2", "", "1")))

    assert [stage["tier"] for stage in Rule.objects.get().stages] == [1, 2]


@pytest.mark.parametrize(
    ("rows", "fields", "mend"),
    [
        ([("", "commerce", "1")], {}, "Stage 1: choose its tier, or empty the row."),
        ([("1", "", "1"), ("7", "", "1")], {}, "Stage 2: There is no active tier 7; choose one of 1, 2, 3."),
        ([("1", "comerce", "1")], {}, "Stage 1: “comerce” is not known; did you mean “commerce”?"),
        ([("1", "", "6")], {}, "Stage 1: 1 to 5 people approve."),
        ([("1", "", "many")], {}, "Stage 1: 1 to 5 people approve."),
        ([("1", "", "1")], {"effect": "block"}, "Only “Ask a person” has stages; remove them."),
        ([("1", "", "1")] * 6, {}, "At most 5 stages"),
        ([], {"effect": "flag", "typed": "on"}, "Only “Ask a person” has a confirmation to type"),
        ([("1", "", "1"), ("2", "", "1")], {"tier": "2"}, "Each stage has its tier; leave this empty."),
        ([("1", "", "1"), ("2", "", "1")], {"approvers": "2"}, "Each stage says how many people; leave it at 1."),
        ([("2", "", "2")], {}, "needs 2 people in tier 2, which has 1 active reviewers"),
        (
            [("2", "", "1"), ("2", "", "1")],
            {"action_type": "refund"},
            "Stages 1 and 2 ask the same people; keep one, and give it more of them.",
        ),
    ],
)
def test_stages_that_cannot_work_are_refused_with_their_mend(desk, save, refused, rows, fields, mend):
    answer = save(desk, ADD, **{**RULE, **fields}, **stages(*rows))

    assert mend in refused(answer)
    assert not Rule.objects.exists()


def test_a_stage_of_a_domain_that_nobody_reviews_is_a_gap(desk, save, refused, clinical):
    answer = save(desk, ADD, **RULE, **stages(("1", "", "1"), ("3", clinical.slug, "1")))

    assert "Stage 2 of the rule “big” leads to tier 3, which has no active reviewer of clinical" in refused(answer)


def test_a_tier_that_was_switched_off_since_is_shown_and_refused(desk, save, refused, refunds):
    rule = Rule.objects.create(**RULE, action_type=refunds, stages=[{"tier": 3, "domain": "", "approvers": 1}])
    Tier.objects.filter(level=2).update(next=None)
    Tier.objects.filter(level=3).update(active=False)

    page = desk.get(CHANGE.format(rule.pk)).content.decode()

    assert '<option value="3" selected>3 (not active)</option>' in page
    assert "Stage 1: There is no active tier 3" in refused(save(desk, CHANGE.format(rule.pk)))


def test_a_change_of_stages_reads_as_tiers_and_people(desk, save, refunds):
    rule = Rule.objects.create(**RULE, action_type=refunds)
    snapshot.publish(by=None, note="a rule")

    save(desk, CHANGE.format(rule.pk), **stages(("1", "", "1"), ("2", "commerce", "1")))

    [change] = [str(change) for change in drafts.draft().changes]
    assert change == "Refund, rule “big”: stages nothing → tier 1, then tier 2 of commerce"


def test_a_change_of_a_condition_reads_in_words(desk, save, refunds):
    rule = Rule.objects.create(**RULE, action_type=refunds)
    snapshot.publish(by=None, note="a rule")

    save(desk, CHANGE.format(rule.pk), expression='value > 500.0 && args.currency == "EUR"')

    [change] = [str(change) for change in drafts.draft().changes]
    assert change == ("Refund, rule “big”: when the value is above 250 → the value is above 500 and currency is EUR")
