"""Wrong settings are refused with their mend, and a save is a draft."""

import json

import pytest
from django.contrib.messages import get_messages
from django.forms import modelform_factory

from approvals.admin.forms import ActionTypeForm
from approvals.admin.ruleform import RuleForm
from approvals.models import (
    ActionType,
    Autonomy,
    Breaker,
    Currency,
    Membership,
    PolicyVersion,
    Rule,
    SystemAuditEvent,
    Threshold,
    Tier,
)
from approvals.policy import snapshot
from approvals.policy.authoring import coverage, packs
from approvals.policy.authoring import versions as drafts
from approvals.policy.precedent.signals import WEIGHTS

TIER = "/admin/approvals/tier/{}/change/"
TYPE = "/admin/approvals/actiontype/{}/change/"
RULE = "/admin/approvals/rule/add/"
IRREVERSIBLE = {"reversibility": "irreversible", "strategy": "always", "gate": "manual", "on_timeout": "reject"}


@pytest.fixture
def desk(as_, admin, refunds, alice, bob, carol):
    """An admin at work in an installation where every tier has somebody."""
    return as_(admin)


def versions() -> list[int]:
    return sorted(PolicyVersion.objects.values_list("number", flat=True))


def in_force() -> dict:
    return PolicyVersion.objects.first().snapshot


# --- A save is a draft


def test_a_save_is_a_draft_and_says_so(desk, save):
    before = versions()

    answer = save(desk, TIER.format(2), sla="00:45:00", name="Experts")

    assert answer.status_code == 302
    assert versions() == before
    assert "Saved as a draft. It is in force when it is published." in map(str, get_messages(answer.wsgi_request))
    assert snapshot.current().tiers[2].name == "Specialists"
    bar = desk.get("/admin/approvals/tier/").content.decode()
    assert "2 changes not in force" in bar
    assert "2 · Experts: answer within 1 h → 45 min" in bar


def test_inlines_are_part_of_the_same_draft(desk, save):
    save(
        desk,
        TYPE.format("refund"),
        title="Money back",
        **{"thresholds-TOTAL_FORMS": 1, "thresholds-0-impact": "high", "thresholds-0-auto": "0.95"},
        **{"thresholds-0-review": "0.7"},
    )

    assert {row.impact for row in Threshold.objects.all()} == {"high"}
    assert {change.field for change in drafts.draft().changes} == {"title", "High impact"}


def test_an_idle_save_changes_nothing(desk, save):
    snapshot.publish(by=None, note="as it is")

    answer = save(desk, TYPE.format("refund"))
    assert answer.status_code == 302
    assert save(desk, TIER.format(1)).status_code == 302

    assert not drafts.draft().differs
    assert not any("draft" in str(said) for said in get_messages(answer.wsgi_request))


def test_a_changed_schema_is_one_new_schema_version_however_often_it_is_saved(desk, save, refunds):
    for title in ("A refund", "A refund indeed"):
        save(desk, TYPE.format("refund"), schema=json.dumps({**refunds.schema, "title": title}))
        refunds.refresh_from_db()
        assert refunds.schema_version == 2

    save(desk, TYPE.format("refund"), schema=json.dumps(in_force()["types"]["refund"]["schema"]))
    refunds.refresh_from_db()
    assert refunds.schema_version == 1


def test_a_schema_that_a_rule_does_not_fit_is_refused(desk, save, refused, refunds):
    Rule.objects.create(
        action_type=refunds, name="big", expression="args.amount > 100.0", message="big", effect="review"
    )
    schema = json.loads(json.dumps(refunds.schema))
    del schema["properties"]["currency"]

    schema["properties"]["amount"] = {"type": "string"}
    complaint = refused(save(desk, TYPE.format("refund"), schema=json.dumps(schema), currency_path="", headline="x"))

    assert "rule “big”" in complaint
    assert "args.amount = text" in complaint


def test_deleting_a_rule_is_a_draft_too(desk):
    rule = Rule.objects.create(name="big", expression="value > 100.0", message="big", effect="review")
    snapshot.publish(by=None, note="a rule")
    before = versions()

    desk.post(f"/admin/approvals/rule/{rule.pk}/delete/", {"post": "yes"})

    assert not Rule.objects.exists()
    assert versions() == before
    assert [str(change) for change in drafts.draft().changes] == ["Rule “big” of every action type is gone"]


def test_a_refused_save_changes_nothing(desk, save, refused):
    refused(save(desk, TIER.format(2), ceiling="1000"))

    assert Tier.objects.get(level=2).ceiling == 50_000
    assert not drafts.draft().differs


def test_who_is_needed_by_the_policy_in_force_stays_whatever_the_draft_says(desk, save, refused, person, commerce):
    save(desk, TYPE.format("refund"), tier="2")
    assert not any(gap for gap in coverage.gaps())

    complaint = refused(save(desk, TIER.format(1), **{"memberships-0-DELETE": "on"}))

    assert "The action type “Refund” leads to tier 1" in complaint


# --- Tiers


@pytest.mark.parametrize(
    ("fields", "mend"),
    [
        ({"sla": "0"}, "give it more than nothing"),
        ({"claim": "0"}, "give it more than nothing"),
        ({"hold": "00:01:00"}, "0 to 30 seconds"),
        ({"next": "1"}, "2 → 1 → 2"),
        ({"next": "2"}, "2 → 2"),
        ({"ceiling": "5000"}, "Set “2 · Specialists” above 5000"),
        ({"ceiling": ""}, "Give “2 · Specialists” a ceiling"),
        ({"ceiling": "-1"}, "above 0"),
    ],
)
def test_a_tier_that_cannot_work_is_refused(desk, save, refused, fields, mend):
    assert mend in refused(save(desk, TIER.format(2), **fields))


def test_the_highest_tier_has_no_ceiling(desk, save, refused):
    assert "would belong to no tier" in refused(save(desk, TIER.format(3), ceiling="90000"))


def test_an_empty_tier_that_an_action_type_leads_to_is_refused(as_, admin, refunds, save, refused):
    complaint = refused(save(as_(admin), TIER.format(1), sla="00:10:00"))

    assert "The action type “Refund” leads to tier 1, which has no active reviewer" in complaint
    assert "Add an active person to tier 1 first" in complaint


def test_a_tier_and_its_first_member_are_saved_together(as_, admin, refunds, person, save):
    newcomer = person("newcomer")

    answer = save(
        as_(admin),
        TIER.format(1),
        **{"memberships-TOTAL_FORMS": 1, "memberships-0-user": newcomer.pk, "memberships-0-domain": "commerce"},
    )

    assert answer.status_code == 302
    assert Membership.objects.get().user == newcomer


def test_the_last_member_of_a_tier_is_not_taken_out(desk, save, refused, alice):
    row = alice.memberships.get()

    complaint = refused(save(desk, TIER.format(1), **{"memberships-0-DELETE": "on"}))

    assert "no active reviewer" in complaint
    assert Membership.objects.filter(pk=row.pk).exists()


def test_the_list_of_tiers_counts_active_reviewers(desk, oscar):
    page = desk.get("/admin/approvals/tier/")

    assert {tier.level: tier.staff for tier in page.context["cl"].result_list} == {1: 1, 2: 1, 3: 1}


# --- Action types


@pytest.mark.parametrize(
    ("fields", "mend"),
    [
        ({"schema": '{"type": "nonsense"}'}, "/type"),
        ({"schema": '{"$ref": "https://example.com/schema"}'}, "may not refer"),
        ({"schema": "{"}, "valid JSON"),
        ({"headline": "refund {ammount}"}, "did you mean “amount”"),
        ({"value_path": "sum"}, "there are: order, amount, currency"),
        ({"value_path": "order", "schema": '{"properties": {"order": {"type": "array"}}}'}, "is no number"),
        ({"currency_path": "curency"}, "did you mean “currency”"),
        ({"subject_path": "orders"}, "did you mean “order”"),
        ({"value_path": ""}, "A currency goes with a value"),
        ({**IRREVERSIBLE, "strategy": "confidence"}, "always asks a person"),
        ({**IRREVERSIBLE, "gate": "soft"}, "choose “Hard” or “Manual”"),
        ({**IRREVERSIBLE, "level": "4"}, "stays at level 1 or 2"),
        ({**IRREVERSIBLE, "on_timeout": "approve"}, "choose “Nothing runs”"),
        ({"reversibility": "partial", "on_timeout": "best_guess"}, "choose “Nothing runs”"),
        ({"reversibility": "partial", "gate": "soft"}, "only reversible actions"),
        ({"reversibility": "reversible", "gate": "soft", "on_timeout": "reject"}, "proceeds unless stopped"),
        ({"reversibility": "reversible", "runs_before_review": "veto"}, "with a soft gate"),
        ({**IRREVERSIBLE, "gate": "hard", "strategy": "always", "runs_before_review": "review"}, "never runs ahead"),
        ({"gate": "manual", "runs_before_review": "review"}, "a typed yes"),
        ({"approvers": 2, "runs_before_review": "review"}, "several people"),
        ({"reversibility": "reversible", "strategy": "never", "runs_before_review": "review"}, "never asks a person"),
        ({"sample": "1.5"}, "between 0 and 1"),
        ({"auto_threshold": "0.5"}, "must be at least 0.600"),
        ({"auto_threshold": "1.2"}, "between 0 and 1"),
        ({"weights_precedent": "-1"}, "greater than or equal to 0"),
        ({f"weights_{name}": "0" for name in WEIGHTS}, "above 0"),
        ({"flags": ["astrology"]}, "astrology"),
        ({"allowed": ["reject"]}, "Nothing could ever be approved"),
        ({"expires_after": "0"}, "A deadline lies ahead"),
        ({"approvers": "3"}, "needs 3 people in tier 1"),
    ],
)
def test_an_action_type_that_cannot_work_is_refused(desk, save, refused, fields, mend):
    answer = save(desk, TYPE.format("refund"), **fields)
    assert mend in refused(answer)


def test_no_refusal_is_left_to_the_database(desk, save, refused):
    """A constraint's name says nothing to an admin."""
    wrong = {**IRREVERSIBLE, "strategy": "never", "on_timeout": "approve", "gate": "soft"}
    complaint = refused(save(desk, TYPE.format("refund"), **wrong))

    assert "onstraint" not in complaint


def test_an_action_type_for_an_unstaffed_queue_is_refused(desk, save, refused, clinical):
    complaint = refused(save(desk, TYPE.format("refund"), domain="clinical"))

    assert "no active reviewer of clinical" in complaint
    assert ActionType.objects.get().domain_id == "commerce"


def test_an_inactive_action_type_needs_nobody(desk, save, clinical):
    answer = save(desk, TYPE.format("refund"), domain="clinical", active=[])

    assert answer.status_code == 302


def test_bands_of_an_impact_are_ordered(desk, save, refused):
    rows = {"thresholds-TOTAL_FORMS": 1, "thresholds-0-impact": "low", "thresholds-0-auto": "0.5"}

    page = save(desk, TYPE.format("refund"), **rows, **{"thresholds-0-review": "0.8"})

    assert "The bands overlap: between 0.5 and 0.8" in page.content.decode()
    assert not Threshold.objects.exists()


def test_nothing_of_policy_that_records_name_is_deleted(as_, root, refunds, tiers):
    for page in ("tier/1", "actiontype/refund", "currency/EUR", "domain/commerce"):
        assert as_(root).get(f"/admin/approvals/{page}/delete/").status_code == 403


# --- Rules


@pytest.mark.parametrize(
    ("fields", "mend"),
    [
        ({"expression": "value >\n  > 1"}, "Line 2, column 3"),
        ({"expression": "args.amount + 1.0"}, ""),
        ({"expression": '"text"'}, "must be true or false"),
        ({"expression": "args.ammount > 1.0", "action_type": "refund"}, "have no args.ammount"),
        ({"expression": 'args["ammount"] > 1.0', "action_type": "refund"}, "have no args.ammount"),
        ({"expression": "args.order > 1.0", "action_type": "refund"}, "args.order = text"),
        ({"expression": 'has(args.order) && args.amount == "4"', "action_type": "refund"}, "args.amount = number"),
        ({"expression": "signals.luck > 0.5"}, "There is no signals.luck"),
        ({"effect": "block", "tier": "3"}, "Only “Ask a person” sends it to a tier"),
        ({"effect": "flag", "approvers": "2"}, "Only “Ask a person” needs people"),
        ({"tier": "2", "approvers": "2"}, "needs 2 people in tier 2"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(desk, save, refused, fields, mend):
    rule = {"name": "big", "expression": "value > 250.0", "effect": "review", "message": "It is big."}

    assert mend in refused(save(desk, RULE, **{**rule, **fields})) or not mend


def test_a_rule_that_works_is_in_the_next_version(desk, save, admin):
    answer = save(desk, RULE, name="big", expression="value > 250.0", effect="review", message="Big.", tier="2")

    assert answer.status_code == 302
    drafts.publish(by=admin, note="big ones", digest=drafts.draft().digest)
    assert [rule.name for rule in snapshot.current().types["refund"].rules] == ["big"]


# --- Currencies and autonomy


def test_there_is_one_base_currency(desk, save, refused):
    assert "No currency would have the rate 1" in refused(save(desk, "/admin/approvals/currency/EUR/change/", rate="2"))
    assert "EUR, USD would both" in refused(save(desk, "/admin/approvals/currency/USD/change/", rate="1"))
    assert "above 0" in refused(save(desk, "/admin/approvals/currency/USD/change/", rate="0"))
    assert Currency.objects.get(code="EUR").rate == 1


def test_an_admin_lowers_a_level_and_nobody_raises_one_here(desk, save, refused, refunds, robot, admin):
    pair = Autonomy.objects.create(agent=robot, action_type=refunds, level=2)
    url = f"/admin/approvals/autonomy/{pair.pk}/change/"

    assert "on the fleet page" in refused(save(desk, url, level="3"))
    assert save(desk, url, level="1").status_code == 302
    pair.refresh_from_db()
    assert pair.level == 1
    event = SystemAuditEvent.objects.get(kind="level_lowered")
    assert (event.actor, event.subject) == (f"user:{admin.username}", "autonomy:robot/refund")
    assert (event.detail["from_level"], event.detail["to_level"], event.detail["cause"]) == (2, 1, "hand")

    admin.is_manager = True
    admin.save()
    assert "on the fleet page" in refused(save(desk, url, level="2"))


def test_an_admin_opens_a_breaker_and_closes_none(desk, save, refused, refunds, robot):
    url = "/admin/approvals/breaker/add/"

    assert "Name an agent" in refused(save(desk, url, why="it invents orders"))
    assert "From 5 to 500 decisions" in refused(save(desk, url, agent=robot.pk, why="x", trial_decisions="2"))
    assert save(desk, url, agent=robot.pk, action_type="refund", why="it invents orders").status_code == 302
    breaker = Breaker.objects.get()
    assert (breaker.cause, breaker.opened_by.username, breaker.closed_at) == ("hand", "ada", None)
    assert desk.get(f"/admin/approvals/breaker/{breaker.pk}/change/").status_code == 200
    assert desk.post(f"/admin/approvals/breaker/{breaker.pk}/change/", {}).status_code == 403


# --- Versions


def test_a_version_shows_what_changed(desk, save, admin):
    save(desk, TIER.format(2), name="Experts")
    newest = drafts.publish(by=admin, note="experts", digest=drafts.draft().digest)

    page = desk.get(f"/admin/approvals/policyversion/{newest.pk}/change/").content.decode()

    assert "2 · Experts" in page
    assert "<del>Specialists</del>" in page and "<ins>Experts</ins>" in page


# --- Packs


@pytest.mark.django_db
def test_what_the_packs_bring_can_be_saved_as_it_is():
    """Else an admin who corrects a title would first have to mend somebody else's policy."""
    for name in packs.names():
        packs.load(name)

    for made, form in ((ActionType, ActionTypeForm), (Rule, RuleForm)):
        every = modelform_factory(made, form=form, fields="__all__")
        for row in made.objects.all():
            filled = every(instance=row)
            data = {key: filled[key].value() for key in filled.fields}
            bound = every(data=data, instance=row)
            assert bound.is_valid(), (row.pk, bound.errors)
