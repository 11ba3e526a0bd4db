"""The admin's lists at 1280 pixels, in Chromium: all of each row is in sight, whatever people and agents are called."""

import re
from datetime import timedelta

import pytest
from django.contrib import admin as site
from django.urls import reverse
from playwright.sync_api import expect

from agents import keys
from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.execution import permits
from approvals.models import (
    Absence,
    Agent,
    Autonomy,
    Channel,
    Delivery,
    Endpoint,
    Incident,
    Membership,
    Rule,
    SecondAdminRequest,
    User,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow]
# How many pixels of the rows are out of sight to the right, in the page or in a box that scrolls.
BEYOND = """() => {
  let beyond = 0;
  for (let box = document.querySelector("#result_list"); box; box = box.parentElement) {
    if (getComputedStyle(box).overflowX !== "visible" || box === document.documentElement) {
      beyond = Math.max(beyond, box.scrollWidth - box.clientWidth);
    }
  }
  return beyond;
}"""


@pytest.fixture
def long_rows(person, action_type, commerce, clinical, propose, root, carol, bob, open_breaker) -> None:
    """A row in every list, with names as long as they come."""
    now = times.now()
    agent = Agent.objects.create(
        name="procurement-assistant-for-northern-europe",
        description="Orders goods, plans shipments, pays suppliers and writes to whoever is late",
    )
    for name in ("order_of_medical_equipment_abroad", "refund_of_a_cancelled_subscription"):
        type = action_type(name, title="Order of medical equipment from abroad", gate="manual")
    condition = " || ".join(f'args.order == "order-number-{n}-of-the-year"' for n in range(12))
    Rule.objects.create(
        name="orders that were placed twice", action_type=type, expression=condition, effect="review", message="Twice."
    )
    dora = person(
        "maximiliane.von-der-hagen-schwarzenberg",
        first_name="Maximiliane",
        last_name="von der Hagen-Schwarzenberg",
        is_manager=True,
        is_auditor=True,
        is_staff=True,
    )
    User.objects.filter(pk=dora.pk).update(email=f"{dora.username}@customer-operations.northwind.example")
    for tier in (1, 2, 3):
        for domain in (commerce, clinical, None):
            Membership.objects.create(user=dora, tier_id=tier, domain=domain)
    for asked_by, closed_by in ((dora, None), (bob, root)):
        SecondAdminRequest.objects.create(
            what="membership", user=carol, tier_id=3, domain=clinical, asked_by=asked_by, asked_at=now,
            given=True if closed_by else None, closed_by=closed_by, closed_at=now if closed_by else None,
        )  # fmt: skip
    Absence.objects.create(user=dora, delegate=carol, starts_at=now, ends_at=now + timedelta(days=10))
    approval = propose(action=type.name, agent=agent)
    decide(card_version_of(approval), by=carol, verdict="reject", verdict_input=VerdictInput(message="No."))
    Incident.objects.create(approval=approval, severity="high", text="x", opened_by=dora)
    permits.rotate(by=None)
    Autonomy.objects.create(agent=agent, action_type=type, level=2)
    open_breaker(agent, type)
    keys.issue(agent=agent, name="of the night shift in the warehouse", by=root)
    address = "https://hooks.customer-operations.northwind.example/assent/procurement/notifications"
    endpoint = Endpoint.objects.create(agent=agent, url=address, secret="x")
    for person_ in (dora, bob):
        error = "550 5.1.1 <somebody@customer-operations.northwind.example>: recipient unknown"
        channel = Channel.objects.create(user=person_, service="mail", state="failed", error=error, tried_at=now)
        for fields in ({"via": channel, "user": person_}, {"endpoint": endpoint, "target": address}):
            kind = "webhook" if "endpoint" in fields else "mail"
            Delivery.objects.create(
                channel=kind, topic="request.recalled", payload={}, due_at=now, created_at=now, last_error=error,
                attempts=12, **fields,
            )  # fmt: skip


def test_no_list_of_the_admin_scrolls_sideways_at_1280_pixels(long_rows, root, sign_in):
    page = sign_in(root)
    walked, too_wide, empty = 0, {}, []
    for model in site.site._registry:
        page.goto(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"))
        if not page.locator("#result_list").count():
            empty.append(model)
            continue
        page.evaluate("() => document.fonts.ready.then(() => true)")
        if beyond := page.evaluate(BEYOND):
            too_wide[model.__name__] = beyond
        walked += 1

    assert not too_wide
    assert not empty
    assert walked > 20


def test_a_second_admin_finds_what_waits_and_gives_it_from_the_list(long_rows, root, carol, sign_in):
    page = sign_in(root)
    page.goto("/admin/")
    link = page.get_by_role("link").filter(has_text=re.compile(r"Second admin\s+1\b"))
    link.click()
    give = page.get_by_role("button", name="Give")
    expect(give).to_have_count(1)  # the other was given
    give.click()

    expect(page.locator("#result_list")).to_contain_text("Given by root")
    expect(give).to_have_count(0)
    assert SecondAdminRequest.objects.filter(given=True, closed_by=root).count() == 2
    assert Membership.objects.filter(user=carol, tier_id=3, domain="clinical").exists()


def test_whoever_asked_has_nothing_to_press(as_, long_rows, root):
    SecondAdminRequest.objects.filter(given=None).update(asked_by=root)
    page = as_(root).get("/admin/approvals/secondadminrequest/").content.decode()

    assert "Waiting" in page
    assert 'form="give"' not in page


def test_a_link_above_the_form_of_an_action_type_leads_to_its_section_and_unfolds_it(refunds, root, sign_in):
    page = sign_in(root)
    page.goto("/admin/approvals/actiontype/refund/change/")
    window = page.get_by_label("Alike ones within")
    assert not window.is_visible()
    page.get_by_role("navigation", name="Sections of this form").get_by_role("link", name="What is unusual").focus()
    page.keyboard.press("Enter")
    window.wait_for(state="visible")

    heading = page.get_by_role("heading", name="What is unusual").bounding_box()
    links = page.locator(".pv-sections").bounding_box()
    assert links["y"] + links["height"] <= heading["y"] < 300
