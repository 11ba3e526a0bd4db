"""In a real browser: answers arrive by themselves, and a revision locks until it is read (U-17, U-32, U-40)."""

from dataclasses import replace
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from approvals.decisions import agent_questions
from approvals.decisions.card_version import load
from approvals.models import Tier
from approvals.requests.amend import amend
from tests.browser import wait_until_still

pytestmark = pytest.mark.django_db(transaction=True)

SOON = 20_000  # milliseconds; a push takes far less, and the machine has two cores


def test_u32_a_question_goes_out_by_one_key_and_its_answer_comes_in_by_itself(propose, robot, alice, sign_in):
    other, refund = propose(order="1", timeout=timedelta(hours=1)), propose(order="2")
    page = sign_in(alice)
    page.goto(f"/approvals/{refund.pk}/")
    rows = page.locator("[data-row]")
    expect(rows.first).to_have_attribute("data-row", str(other.pk))
    wait_until_still(page)
    page.keyboard.press("q")
    page.locator("#question").fill("Which order?")
    wait_until_still(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#thread")).to_contain_text("The agent has not read it yet.")

    [question] = agent_questions.unanswered([refund.request_id])
    agent_questions.answer(question, by=robot, text="456, see the photo")
    expect(page.locator("#thread .says")).to_contain_text("456, see the photo", timeout=SOON)
    expect(rows.first).to_have_attribute("data-row", str(refund.pk), timeout=SOON)
    expect(rows.first).to_contain_text("Answered")


def test_u40_a_revision_locks_the_open_card_until_it_is_read_again(propose, robot, alice, sign_in):
    refund = propose()
    page = sign_in(alice)
    page.goto(f"/approvals/{refund.pk}/")
    expect(page.locator("#card-claim")).to_contain_text("You are reviewing")
    amend(refund.pk, lambda item: replace(item, args={**item.args, "amount": 300}), by=robot)

    expect(page.locator("#card-notice")).to_contain_text("The agent revised this (v2)", timeout=SOON)
    expect(page.locator(".facts-diff").first).to_contain_text("300")
    wait_until_still(page)
    page.keyboard.press("a")
    page.wait_for_timeout(400)  # waits for nothing: a locked card takes no key
    assert load(refund.pk).status == "pending"
    wait_until_still(page)
    page.keyboard.press("v")
    expect(page.locator("#actions .approve")).to_contain_text("Approve")
    wait_until_still(page)
    page.keyboard.press("a")
    expect(page.locator(".toast")).to_contain_text("Approved", timeout=SOON)
    assert load(refund.pk).proposal.args["amount"] == 300


def test_u17_the_last_minute_of_a_claim_is_announced_and_one_key_extends_it(propose, alice, sign_in):
    refund = propose()
    Tier.objects.update(claim=timedelta(seconds=50))
    page = sign_in(alice)
    page.goto(f"/approvals/{refund.pk}/")
    warning = page.locator("[data-claim-ends]")
    expect(warning).to_be_visible(timeout=SOON)
    expect(page.locator("#announce")).to_contain_text("goes back to the queue")
    Tier.objects.update(claim=timedelta(minutes=10))
    wait_until_still(page)
    page.keyboard.press("y")
    expect(warning).to_be_hidden(timeout=SOON)
    assert (load(refund.pk).claim_until - refund.created_at) > timedelta(minutes=9)


def test_a_key_in_a_closed_menu_works_all_the_same(propose, alice, sign_in):
    page = sign_in(alice)
    page.goto(f"/approvals/{propose(timeout=timedelta(hours=8)).pk}/")
    wait_until_still(page)
    page.keyboard.press("h")
    expect(page.locator("#panel-title")).to_have_text("Snooze")
