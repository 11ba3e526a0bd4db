"""Who may do what in the console: every role against every page of the table."""

from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from approvals.db.search import search_words
from approvals.decisions import batches, claims
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.models import Approval, Proposal
from approvals.requests import intake
from approvals.requests.submission import Item, Submission
from console.inbox import live
from tests.access.operations import DENIED
from tests.access.pages import PAGES
from tests.text_search import mentions


@pytest.mark.parametrize("name", PAGES)
def test_a_page_does_what_the_table_says_for_every_role(name, everybody, propose, as_):
    operation = PAGES[name]
    wrong = []
    for role, user in everybody.items():
        approval = propose(amount=6000)
        response = operation.call(as_(user) if user else Client(), approval)
        after = load(approval.pk)
        happened = operation.done(after, user) if operation.done else response.status_code == 200
        allowed = role in operation.who.split()
        refused = response.status_code in DENIED or operation.quiet
        if happened != allowed or (not allowed and not refused):
            wrong.append(f"{role}: {response.status_code}, {'done' if happened else 'not done'}")

    assert not wrong


def test_somebody_who_is_not_signed_in_is_sent_to_the_login(propose, bob):
    for name, operation in PAGES.items():
        response = operation.call(Client(), propose())
        assert response.status_code == 302, name
        assert response["Location"].startswith(reverse("account_login")), name


def test_only_who_decided_takes_it_back(with_undo, everybody, propose, as_):
    bob = everybody["R2"]
    for role, user in everybody.items():
        approval = propose(amount=6000)
        decide(card_version_of(approval), by=bob, verdict="approve")
        (as_(user) if user else Client()).post(reverse("card:undo", args=[approval.pk]), {"version": approval.version})
        assert (load(approval.pk).status == "pending") == (role == "R2"), role


def test_only_who_decided_a_batch_takes_it_back(with_undo, everybody, propose, as_):
    bob = everybody["R2"]
    for role, user in everybody.items():
        approval, key = propose(amount=6000), uuid4()
        Approval.objects.filter(pk=approval.pk).update(flagged=0)
        batches.decide_many([card_version_of(load(approval.pk))], by=bob, verdict="approve", attempt=key)
        (as_(user) if user else Client()).post(reverse("batch:undo", args=[key]))
        assert (load(approval.pk).status == "pending") == (role == "R2"), role


def test_only_who_claimed_returns_it(everybody, propose, as_):
    bob = everybody["R2"]
    for role, user in everybody.items():
        approval = propose(amount=6000)
        claims.claim(approval.pk, by=bob)
        (as_(user) if user else Client()).post(reverse("card:release", args=[approval.pk]))
        assert (load(approval.pk).claimed_by is None) == (role == "R2"), role


def test_only_who_decides_a_plan_edits_it(everybody, refunds, action_type, robot, as_):
    action_type("plan", schema={}, value_path="", currency_path="", subject_path="", headline="carry out {steps}")
    args = {"order": "1", "amount": 6000, "currency": "EUR"}
    steps = [{"id": one, "action": {"name": "refund", "args": args}, "depends_on": []} for one in "ab"]
    for role, user in everybody.items():
        item = Item(id="p", item_type="plan", steps=steps)
        [answer] = intake.submit(robot, [Submission((item,), "sha256:p")])
        approval = answer.approvals[0]
        form = {"version": approval.version, "op": "approve", "plan": '[{"id": "b"}]'}
        response = (as_(user) if user else Client()).post(reverse("plan:plan", args=[approval.pk]), form)
        happened = load(approval.pk).status != "pending"
        assert happened == (role in ("R2", "R3")), role
        assert happened or response.status_code in DENIED, role


def test_who_administers_sees_metadata_and_no_content(everybody, propose, as_):
    approval = propose(amount=6000, summary="the customer's own words", order="order-77")
    page = as_(everybody["superuser"]).get(reverse("card:card", args=[approval.pk])).content.decode()

    assert "the customer&#x27;s own words" not in page
    assert "order-77" not in page
    assert not mentions(page, "6000") and not mentions(page, "6,000")


def test_who_was_asked_once_may_still_open_it(refund, alice, bob, as_):
    claims.escalate(refund.pk, by=alice)

    assert as_(alice).get(reverse("card:card", args=[refund.pk])).status_code == 200
    as_(alice).post(
        reverse("card:decide", args=[refund.pk]),
        {"verdict": "approve", "version": refund.version},
    )
    assert load(refund.pk).status == "pending"


def test_a_get_decides_nothing(refund, alice, as_):
    query = {"verdict": "approve", "version": refund.version}
    for name in PAGES.keys() - {
        "inbox:inbox",
        "card:attachment",
        "runs:close",
        "profile:back",
        "overload:period",
        "overload:seen",
        "profile:channel",
        "evidence:cell",
        "evidence:sign",
        "evidence:lower",
        "evidence:open_breaker",
    }:
        try:
            address = reverse(name, args=[refund.pk])
        except Exception:
            address = reverse(name)
        as_(alice).get(address, query)

    assert load(refund.pk).status == "pending"


@pytest.mark.parametrize("part", range(4))
def test_a_verdict_on_something_else_than_what_was_seen_is_409(part, refund, alice, as_):
    parts = refund.version.split(".")
    parts[part] = "sha256:" + "0" * 64 if part == 3 else "7"
    form = {"verdict": "approve", "version": ".".join(parts)}
    response = as_(alice).post(reverse("card:decide", args=[refund.pk]), form)

    assert response.status_code == 409
    assert load(refund.pk).status == "pending"


def test_a_verdict_without_the_pages_token_is_refused(refund, alice):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    form = {"verdict": "approve", "version": refund.version}

    assert browser.post(reverse("card:decide", args=[refund.pk]), form).status_code == 403
    assert load(refund.pk).status == "pending"


# --- Live updates


def test_live_updates_of_a_queue_reach_who_may_see_it(everybody, propose):
    propose(amount=6000)
    hears = {role for role, user in everybody.items() if user and "2.commerce" in live.watch_of(user).queues}

    assert hears == {"R2", "R3", "owner", "manager", "auditor"}


def test_a_superuser_reads_and_searches_no_headline(refund, bob, root, otto, as_):
    Proposal.objects.filter(approval=refund).update(headline="a very private headline")
    Approval.objects.filter(pk=refund.pk).update(search_words=search_words("a very private headline", ids=()))
    together = {"pick": f"{refund.pk}:{refund.version}"}
    in_batch = as_(root).post(reverse("batch:batch"), together).content.decode()
    decide(card_version_of(refund), by=bob, verdict="approve")
    for user, reads in ((root, False), (otto, True)):
        for query in ({}, {"q": "private"}):
            page = as_(user).get(reverse("history:history"), query).content.decode()
            assert ("very private" in page) == reads, (user, query)
        assert (str(refund.pk) in page) == reads
    assert "very private" not in in_batch
