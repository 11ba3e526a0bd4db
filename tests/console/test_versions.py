"""A card has one version, and everything that leaves from it says which: for another it is read again first."""

import re
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from django.urls import reverse

from approvals.decisions.card_version import CardVersion, card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.undo import undo
from approvals.models import Approval, Decision, Grant, Vote
from approvals.requests.amend import amend
from tests.addresses import addresses
from tests.conftest import PASSWORD

FRAGMENT = {"HX-Request": "true"}
# What leaves from a card by its own address. Opening and leaving it, and its files, concern every version.
FREE = {"card:card", "card:release", "card:attachment"}
NAMES = sorted({name for name, url in addresses() if str(url.pattern).startswith("approvals/<uuid:pk>/")} - FREE)
GRANT = {"most": "5", "days": "7", "reason": "the same again", "row-0-path": "", "row-0-op": "", "row-0-value": ""}
EVERYTHING = {
    "verdict": "approve",
    "typed": "420",
    "password": PASSWORD,
    "text": "Which order?",
    "guidance": "Look twice.",
    "note": "Please.",
    "severity": "low",
    "mode": "raw",
    "raw": '{"order": "456", "amount": 1, "currency": "EUR"}',
    "reason": "policy",
    "take_over": "1",
    "op": "approve",
    "plan": "[]",
    **GRANT,
}


def revised(approval, robot) -> Approval:
    """The agent turns it into something else while a card of it is open."""
    return amend(approval.pk, lambda item: replace(item, args={**item.args, "order": "EVIL"}), by=robot)


def nothing_happened(approval) -> bool:
    now = load(approval.pk)
    beside = Decision.objects.exists() or Vote.objects.exists() or Grant.objects.exists()
    return (now.status, now.tier_id, now.snoozed_until) == ("pending", approval.tier_id, None) and not beside


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("method", ["get", "post"])
def test_whatever_leaves_from_a_card_of_another_version_locks_it(name, method, refund, robot, alice, as_):
    revised(refund, robot)
    send = getattr(as_(alice), method)
    response = send(reverse(name, args=[refund.pk]), {**EVERYTHING, "version": refund.version}, headers=FRAGMENT)

    if response.status_code != 405:
        page = response.content.decode()
        assert response.status_code == 409
        assert (response["HX-Retarget"], response["HX-Reswap"]) == ("#pane", "innerHTML")
        assert "The agent revised this (v2)" in page
        assert "I have read version 2" in page and "data-locked" in page
        assert 'name="verdict"' not in page
    assert nothing_happened(refund)


NONE = [None, "", "1", "1.1.0", "1.1.0.sha256:0", "٣.1.0.{digest}", "-1.1.0.{digest}", "1.1.0.{digest} "]


@pytest.mark.parametrize("name", NAMES)
def test_a_version_that_is_none_is_never_taken_for_the_present_one(name, refund, alice, as_):
    client = as_(alice)
    for version in NONE:
        form = EVERYTHING if version is None else {**EVERYTHING, "version": version.format(digest=refund.digest)}
        for send in (client.get, client.post):
            response = send(reverse(name, args=[refund.pk]), form, headers=FRAGMENT)
            assert response.status_code in (405, 422), version
        assert nothing_happened(refund), version


def test_each_part_of_the_version_counts(with_undo, propose, alice, as_):
    refund = propose()
    decide(card_version_of(refund), by=alice, verdict="approve")
    undo(refund.pk, by=alice)
    form = {"verdict": "approve", "version": refund.version}
    response = as_(alice).post(reverse("card:decide", args=[refund.pk]), form, headers=FRAGMENT)

    assert response.status_code == 409  # the same words, in another round
    assert load(refund.pk).status == "pending"


def test_a_version_is_read_back_as_what_was_seen(refund):
    assert CardVersion.read(refund.pk, refund.version) == card_version_of(refund)


def test_every_control_of_every_panel_says_the_version_of_the_card(propose, robot, alice, as_):
    """Without script, too: each link and each form of the card leads back with the version in it."""
    approval = propose(alternatives=[{"label": "half", "args": {"order": "456", "amount": 210, "currency": "EUR"}}])
    client = as_(alice)
    page = client.get(reverse("card:card", args=[approval.pk])).content.decode()
    parts = [page.partition("<article")[2].partition("</article>")[0]]
    for name in (
        "card:reject",
        "card:modify",
        "card:escalate",
        "card:ask",
        "card:snooze",
        "grants:like",
        "card:guide",
        "card:actions",
        "card:claimed",
        "card:thread",
    ):
        address = reverse(name, args=[approval.pk])
        parts.append(client.get(address, {"version": approval.version}, headers=FRAGMENT).content.decode())
    own = reverse("card:card", args=[approval.pk])
    links = 0
    for part in parts:
        for form in re.findall(r"<form\b.*?</form>", part, re.S):
            if f'action="{own}' in form and f'action="{own}release/' not in form:
                assert f'name="version" value="{approval.version}"' in form, form[:200]
        for address in re.findall(r'(?:href|hx-get|data-[a-z]+)="(' + re.escape(own) + r'[^"]+)"', part):
            split = urlsplit(address.replace("&amp;", "&"))
            if split.path.removeprefix(own).partition("/")[0] != "files":
                links += 1
                assert parse_qs(split.query).get("version") == [approval.version], address
    assert links > 10


def test_an_older_pick_is_left_out_of_a_batch(propose, robot, alice, as_):
    first, second = propose(order="1"), propose(order="2")
    Approval.objects.update(flagged=0)
    picks = [f"{one.pk}:{one.version}" for one in (first, second)]
    revised(first, robot)
    as_(alice).post(reverse("batch:batch"), {"pick": picks, "verdict": "approve"}, headers=FRAGMENT)

    assert load(first.pk).status == "pending"
    assert load(second.pk).verdict == "approve"


def test_the_list_says_how_the_open_card_stands_wherever_its_row_is(refund, robot, alice, mallory, as_):
    header = {**FRAGMENT, "HX-Target": "rows", "X-Card": str(refund.pk)}
    for query in ("", "?q=nothing", "?after=x"):
        state = as_(alice).get("/" + query, headers=header)["X-Card"]
        assert refund.version in state and '"pending"' in state
    revised(refund, robot)
    assert load(refund.pk).version in as_(alice).get("/", headers=header)["X-Card"]
    hidden = as_(mallory).get("/", headers=header)["X-Card"]
    assert hidden == f'{{"id": "{refund.pk}"}}'
    assert "X-Card" not in as_(alice).get("/", headers={**FRAGMENT, "X-Card": "x"})
