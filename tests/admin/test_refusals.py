"""Every wrong setting is refused on the page on which it is made, and the sentence says how to mend it.

One row for each of them. What else a page holds to stands with the page: test_policy, test_rules, test_stages,
test_flags, test_confidence, test_hours, test_capacity, test_people.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from approvals.models import ActionType, Channel, Domain, PolicyVersion, Tier, User
from approvals.policy.authoring import validation
from approvals.policy.authoring.documents import snapshot_of_tables

ADMIN = "/admin/approvals/"
TYPE, TIER, RULE = "actiontype/refund/change/", "tier/2/change/", "rule/add/"
REVERSIBLE = {"reversibility": "reversible"}
FOR_GOOD = {"reversibility": "irreversible", "strategy": "always", "gate": "hard", "on_timeout": "reject"}
HOURS = {"working": "on", "opens": "09:00", "closes": "17:00"}
WRITTEN = {
    "name": "big",
    "action_type": "refund",
    "expression": "value > 250.0",
    "effect": "review",
    "message": "It is big.",
}
AWAY = {"starts_at_0": "2099-12-24", "starts_at_1": "08:00", "ends_at_0": "2099-12-27", "ends_at_1": "08:00"}


def rule(**fields: str) -> dict[str, Any]:
    return {**WRITTEN, **fields}


def stages(*rows: tuple[str, str, str]) -> dict[str, Any]:
    columns = zip(*rows, strict=True)
    return dict(zip(("stages-tier", "stages-domain", "stages-approvers"), map(list, columns), strict=True))


def row(under: str, **fields: str) -> dict[str, Any]:
    """One new row under a form."""
    return {f"{under}-TOTAL_FORMS": 1, **{f"{under}-0-{name}": value for name, value in fields.items()}}


def channel(address: str) -> dict[str, Any]:
    return row("channels", address=address, carries="both", active="on")


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    # Rules
    "a path that is not there": (
        RULE,
        rule(expression="args.amuont > 5.0"),
        "The arguments of “Refund” have no args.amuont. Did you mean args.amount?",
    ),
    "a type that does not fit": (
        RULE,
        rule(expression="args.order > 5.0"),
        "Write what a text is compared with in quotes",
    ),
    "a value that never is": (
        RULE,
        rule(expression='args.currency == "EURO"'),
        "args.currency is never",
    ),
    "half a condition": (RULE, rule(expression="value > 250.0 and"), "write && for and"),
    "a mixture of numbers": (RULE, rule(expression="args.amount + 1 > 5.0"), "write both with a point (1.0)"),
    "no yes or no": (RULE, rule(expression="args.amount"), "Compare it with something: args.amount > 250.0"),
    "a cost without bound": (
        RULE,
        rule(expression="context.lines.all(x, context.lines.all(y, x != y))", action_type=""),
        "Drop the loop within the loop",
    ),
    "a pattern that the proposal brings": (
        RULE,
        rule(expression="args.order.matches(args.currency)"),
        "must be written in",
    ),
    "letting pass by the agent's own words": (
        RULE,
        rule(expression="signals.stated_confidence > 0.9", effect="allow"),
        "Let pass by args, value, currency",
    ),
    "a tier that is not asked": (RULE, rule(effect="block", tier="3"), "leave this empty"),
    "people who are not asked": (RULE, rule(effect="flag", approvers="2"), "leave it at 1"),
    "a typed value that nobody types": (RULE, rule(effect="flag", typed="on"), "leave this off"),
    "stages that nobody goes through": (
        RULE,
        {**rule(effect="block"), **stages(("1", "", "1"))},
        "Only “Ask a person” has stages; remove them.",
    ),
    "a stage without people of that domain": (
        RULE,
        {**WRITTEN, **stages(("1", "", "1"), ("3", "clinical", "1"))},
        "Add a reviewer of clinical (or of every domain) to tier 3 first, or choose another tier",
    ),
    "a stage with more people than there are": (
        RULE,
        {**WRITTEN, **stages(("2", "", "3"))},
        "Add reviewers to tier 2 first, or lower the number of people",
    ),
    "a stage of no tier": (RULE, {**WRITTEN, **stages(("", "commerce", "1"))}, "choose its tier, or empty the row"),
    # Reversibility first
    "never, of what cannot be undone": (TYPE, {**FOR_GOOD, "strategy": "never"}, "choose “Always”"),
    "confidence, of what cannot be undone": (TYPE, {**FOR_GOOD, "strategy": "confidence"}, "choose “Always”"),
    "a soft gate, of what cannot be undone": (TYPE, {**FOR_GOOD, "gate": "soft"}, "choose “Hard” or “Manual”"),
    "silence that consents to it": (TYPE, {**FOR_GOOD, "on_timeout": "approve"}, "choose “Nothing runs”"),
    "silence that goes on and looks later": (TYPE, {"on_timeout": "proceed"}, "choose “Nothing runs”"),
    "a best guess of what cannot be undone": (TYPE, {**FOR_GOOD, "on_timeout": "best_guess"}, "choose “Nothing runs”"),
    "running ahead of its review": (
        TYPE,
        {**FOR_GOOD, "runs_before_review": "review"},
        "choose “It waits for the verdict”",
    ),
    "running ahead of a veto": (TYPE, {"runs_before_review": "veto"}, "choose “It waits"),
    "shadow, of what cannot be undone": (TYPE, {**FOR_GOOD, "shadow": "on"}, "Leave it off"),
    "shadow, of a manual gate": (TYPE, {"gate": "manual", "shadow": "on"}, "leave shadow mode off"),
    "autonomy of what cannot be undone": (TYPE, {**FOR_GOOD, "level": "3"}, "stays at level 1 or 2"),
    "audit alone of what is half undone": (TYPE, {"level": "4"}, "Choose 1 to 3"),
    "a soft gate, of what is half undone": (TYPE, {"gate": "soft"}, "Choose “Hard”"),
    "a soft gate whose silence stops": (TYPE, {**REVERSIBLE, "gate": "soft"}, "choose “Runs”, or a hard gate"),
    # Confidence
    "bands that overlap": (TYPE, {"auto_threshold": "0.5"}, "“Passes from” must be at least 0.600"),
    "bands of an impact that overlap": (
        TYPE,
        row("thresholds", impact="high", auto="0.4", review="0.6"),
        "“Passes from” must be at least 0.6",
    ),
    "more than certain": (TYPE, {"auto_threshold": "1.2"}, "write 0.85 for 85 %"),
    "a value that is no number": (
        TYPE,
        {
            "value_path": "lines",
            "schema": '{"properties": {"lines": {"type": "array"}}}',
            "currency_path": "",
            "subject_path": "",
            "headline": "x",
        },
        "name an argument that is one",
    ),
    # Checkpoints and what is unusual
    "a limit of spending without a value": (
        TYPE,
        {"spend_limit": "100", "value_path": "", "currency_path": ""},
        "name the argument that holds the value first",
    ),
    "a window longer than what is kept": (TYPE, {"spend_window": "40 00:00:00"}, "give a window between 1 h and"),
    "every step but none": (TYPE, {"every_steps": "0"}, "leave it empty for never"),
    "no time at all": (TYPE, {"every_time": "0"}, "leave it empty for never"),
    "a frequency in no time": (TYPE, {"frequency_window": "0"}, "More than nothing and at most 366 days."),
    "a usual value of nothing": (
        TYPE,
        {"baseline_path": "order", "value_path": "", "currency_path": ""},
        "leave this empty",
    ),
    "a share of more than all": (TYPE, {"sample": "5"}, "0.05 is one in twenty"),
    "a deadline that is over": (TYPE, {"expires_after": "0"}, "such as 4 h"),
    # Tiers
    "ceilings that overlap": (TIER, {"ceiling": "4000"}, "Set “2 · Specialists” above 5000"),
    "a tier that no value reaches": (TIER, {"ceiling": ""}, "Give “2 · Specialists” a ceiling"),
    "values that nobody covers": ("tier/3/change/", {"ceiling": "90000"}, "Clear the ceiling of “3 · Senior”"),
    "a circle": (TIER, {"next": "1"}, "Choose a tier above 2, or none."),
    "an answer in no time": (TIER, {"sla": "0"}, "for example 15 min"),
    "hours without days": (TIER, {**HOURS, "workdays": []}, "choose at least one day, or let all hours count"),
    "hours without an end": (TIER, {**HOURS, "closes": ""}, "say from when until when, or let all hours count"),
    "hours that end when they begin": (TIER, {**HOURS, "closes": "09:00"}, "No time lies between the two"),
    "a time zone that is none": (TIER, {"time_zone": "Europe/Viena"}, "such as Europe/Vienna"),
    "nobody left": (TIER, {"memberships-0-DELETE": "on"}, "Add an active person to tier 2 first, or lead elsewhere"),
    "nobody left for the domain": (
        TIER,
        {"memberships-0-domain": "clinical"},
        "Add a reviewer of commerce (or of every domain) to tier 2 first",
    ),
    "duty without an end": (TIER, {"memberships-0-duty_from": "09:00"}, "say both, or leave both empty"),
    # How much may wait
    "room for none": (
        TIER,
        row("capacities", limit="0", when_full="queue", when_empty="queue"),
        "leave it empty for no",
    ),
    "room for more than anybody reads": (
        TIER,
        row("capacities", limit="20000", when_full="queue", when_empty="queue"),
        "Leave it empty for none",
    ),
    "full without a limit": (
        TIER,
        row("capacities", limit="", when_full="reject", when_empty="queue"),
        "say how many may wait, or choose “It waits all the same”",
    ),
    # Channels
    "a channel of no service": (TIER, channel("nowhere"), "Give the address of one that is: mailto://, slack://"),
    "a channel that runs a program": (TIER, channel("syslog://"), "Give the address of one that is"),
    "a channel that reads a file": (TIER, channel("file:///etc/passwd"), "Give the address of one that is"),
    "a channel into the house": (TIER, channel("jsons://10.0.0.7/secret"), "Give a public one"),
    "a channel to this machine": (TIER, channel("jsons://localhost/secret"), "Give a public one"),
    "a channel without an address": (
        TIER,
        {**channel(""), "channels-0-name": "Room"},
        "A channel needs the address of a service",
    ),
    # Policy for queues in which nobody is, or hears of it
    "an action type for nobody": (TYPE, {"domain": "clinical"}, "Add a reviewer of clinical (or of every domain)"),
}


@pytest.fixture
def desk(as_: Callable[[User], Client], admin: User, refunds: object, alice: User, bob: User, carol: User) -> Client:
    Domain.objects.create(slug="clinical", name="Clinical")
    return as_(admin)


def complaints(answer: Any) -> str:
    """What the page complains about, in the form and in the rows under it."""
    assert answer.status_code == 200, f"it was saved: {answer.headers.get('Location')}"
    return " ".join(
        str(text) for rows in answer.context["errors"] for text in (rows if isinstance(rows, list) else [rows])
    )


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_refused_and_the_sentence_says_how_to_mend_it(what, desk, save):
    where, fields, mend = WRONG[what]
    before = snapshot_of_tables()

    complaint = complaints(save(desk, ADMIN + where, **fields))

    assert mend in complaint
    assert "onstraint" not in complaint, "left to the database, whose names say nothing to an admin"
    assert snapshot_of_tables() == before
    assert PolicyVersion.objects.count() == 1


# --- People, who are in force at once


def absence_form(who: User, delegate: User | None = None, **fields: str) -> dict[str, Any]:
    return {"user": who.pk, "delegate": delegate.pk if delegate else "", **AWAY, **fields}


def test_an_absence_that_is_none_is_refused_with_its_mend(desk, save, bob, carol, oscar):
    page = ADMIN + "absence/add/"

    assert "choose a later end" in complaints(save(desk, page, **absence_form(bob, carol, ends_at_0="2099-12-23")))
    assert "choose another person, or leave it empty" in complaints(save(desk, page, **absence_form(bob, bob)))
    assert "choose an active person" in complaints(save(desk, page, **absence_form(bob, oscar)))


def test_nobody_stands_in_or_joins_a_tier_by_their_own_word(desk, save, admin, bob):
    assert "ask another admin" in complaints(save(desk, f"{ADMIN}absence/add/", **absence_form(bob, admin)))
    assert "ask another admin" in complaints(save(desk, f"{ADMIN}absence/add/", **absence_form(admin)))
    joins = {"memberships-TOTAL_FORMS": 2, "memberships-1-user": admin.pk, "memberships-1-domain": "commerce"}
    page = save(desk, ADMIN + TIER, **joins)
    assert "Nobody changes their own memberships; ask another admin." in page.content.decode()


def test_people_whom_nothing_reaches_are_nobodys_tier(desk, save, bob):
    """Bob is the only one in tier 2, and mail to him comes back."""
    Channel.objects.create(user=bob, service="mail", state="failed", error="550 unknown")

    complaint = complaints(save(desk, ADMIN + RULE, **rule(tier="2")))

    assert "The rule “big” leads to tier 2, where nobody can be told" in complaint
    assert "an e-mail address or another channel that works first" in complaint


def test_a_currency_that_is_none_is_refused_with_its_mend(desk, save):
    assert "Give the other what one of it" in complaints(save(desk, f"{ADMIN}currency/USD/change/", rate="1"))
    assert "three letters: EUR" in complaints(save(desk, f"{ADMIN}currency/add/", code="€", rate="2"))


# --- A tier above the highest


def test_a_new_highest_tier_says_where_the_one_below_ends(desk, save, carol, person, commerce):
    zoe = person("zoe")
    membership = {"memberships-TOTAL_FORMS": 1, "memberships-0-user": zoe.pk, "memberships-0-domain": "commerce"}
    board = {"level": 4, "name": "Board", **membership}
    page = f"{ADMIN}tier/add/"

    assert "where “4 · Board” is new, under “The tier below ends at”" in complaints(save(desk, page, **board))
    assert "or add the tier above it first" in complaints(save(desk, page, **{**board, "ceiling": "90000"}))
    assert save(desk, page, **board, ceiling_below="250000").status_code == 302

    assert dict(Tier.objects.values_list("level", "ceiling"))[3] == 250_000
    assert not validation.faults(snapshot_of_tables())
    lower = {**board, "name": "Lower", "level": 5, "ceiling_below": ""}
    assert "would ever reach" in complaints(save(desk, page, **{**lower, "memberships-0-user": carol.pk}))


def test_only_a_new_highest_tier_says_it(desk, save):
    Tier.objects.filter(level=2).update(next=None)
    Tier.objects.filter(level=3).update(active=False)

    assert "leave this empty" in complaints(save(desk, f"{ADMIN}tier/add/", level=9, name="Nine", ceiling_below="10"))


def test_a_new_action_type_decides_nothing_by_itself(desk, save):
    new = {"name": "order", "title": "Order", "headline": "order {amount}", "domain": "commerce", "tier": "1"}

    page = desk.get(f"{ADMIN}actiontype/add/").content.decode()
    assert page.count('<option value="" selected>Choose</option>') == 2  # else a browser sends the first of them
    complaint = complaints(save(desk, f"{ADMIN}actiontype/add/", **new))
    assert complaint.count("This field is required.") == 2  # reversibility, and when a person is asked

    chosen = {"reversibility": "partial", "strategy": "always"}
    assert save(desk, f"{ADMIN}actiontype/add/", **new, **chosen).status_code == 302
    made = ActionType.objects.get(name="order")
    assert made.allowed == ["approve", "modify", "reject"]
    assert list(made.schema["properties"]) == ["amount"]
