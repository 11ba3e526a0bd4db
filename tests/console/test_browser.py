"""What a reviewer's hands and eyes do: keys, live rows, lost sockets, undo, phone and screen reader, in Chromium."""

import re
from datetime import timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import expect

from approvals.db import times
from approvals.decisions import claims
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.models import Approval, Decision, User
from tests.browser import wait_until_settled, wait_until_still

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def row(page, approval):
    return page.locator(f"#row-{approval.pk}")


def live(page):
    """Wait until the socket stands."""
    expect(page.locator("[data-live]")).to_have_attribute("data-state", "live", timeout=10_000)


def open_card(page, approval):
    row(page, approval).locator(".row-link").click()
    expect(page.locator(f"[data-card='{approval.pk}']")).to_be_visible()
    # The claim's echo may redraw the row; what follows should not race with it.
    expect(page.locator("#card-claim")).to_contain_text("You are reviewing")
    wait_until_still(page)


@pytest.fixture
def three(propose) -> list[Approval]:
    return [propose(order=f"A{n}", timeout=timedelta(hours=1 + n)) for n in range(3)]


def test_u01_u02_u03_u04_the_list_by_keys_alone(three, alice, sign_in):
    page = sign_in(alice)
    first, second, _third = three
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(row(page, second).locator(".row-link")).to_be_focused()
    assert row(page, second).evaluate("row => getComputedStyle(row).outlineStyle") == "solid"
    page.keyboard.press("k")
    expect(row(page, first).locator(".row-link")).to_be_focused()

    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="refund 420 EUR to order A0")).to_be_visible()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog")
    for label in ("Approve", "Reject", "Modify", "Escalate", "Next request", "Back to the list"):
        expect(keys).to_contain_text(label)
    page.keyboard.press("Escape")
    expect(keys).to_be_hidden()
    page.keyboard.press("Escape")
    expect(row(page, first).locator(".row-link")).to_be_focused()
    expect(page).to_have_url(re.compile(r"/$"))

    page.locator("[name=q]").focus()
    page.keyboard.type("ark")
    page.keyboard.press("Control+a")
    assert {load(one.pk).status for one in three} == {"pending"}
    expect(page.locator("[name=q]")).to_have_value("ark")


def test_u04_u18_a_held_key_and_a_double_click_decide_once(three, alice, sign_in):
    page = sign_in(alice)
    first, second, third = three
    open_card(page, first)
    page.keyboard.down("a")
    for _ in range(4):
        page.keyboard.down("a")  # what an operating system sends while the key is held
    page.keyboard.up("a")
    expect(page.locator(f"[data-card='{second.pk}']")).to_be_visible()
    page.locator("form[data-verdict] .approve").dblclick()
    wait_until_settled(page, second)

    assert load(first.pk).verdict == "approve"
    assert load(third.pk).status == "pending"
    assert Decision.objects.count() == 2


def test_u05_single_keys_can_be_turned_off(three, alice, sign_in):
    User.objects.filter(pk=alice.pk).update(shortcuts=False)
    page = sign_in(alice)
    row(page, three[0]).locator(".row-link").click()
    expect(page.locator("[data-card]")).to_be_visible()
    wait_until_still(page)
    page.keyboard.press("a")
    page.wait_for_timeout(400)  # waits for nothing: the key does nothing

    assert load(three[0].pk).status == "pending"
    expect(page.locator(".approve kbd")).to_be_hidden()


def test_u06_u07_u15_u16_the_open_inbox_follows_without_moving_what_is_read(three, propose, alice, carol, sign_in):
    page = sign_in(alice)
    live(page)
    open_card(page, three[1])

    urgent = propose(order="URGENT", timeout=timedelta(minutes=20))
    expect(row(page, urgent)).to_be_visible()
    expect(page.locator("[data-new-pill]")).to_have_text("1 new")
    order = [one.get_attribute("data-row") for one in page.locator("[data-row]").all()]
    assert order[0] == str(urgent.pk)
    assert row(page, three[1]).get_attribute("data-open") == ""

    claims.claim(three[0].pk, by=carol)
    expect(row(page, three[0])).to_contain_text("Carol")
    decide(card_version_of(load(three[2].pk)), by=carol, verdict="approve")
    expect(row(page, three[2])).to_contain_text("Approved by Carol")
    expect(row(page, three[2]).locator("[name=pick]")).to_be_disabled()

    page.keyboard.press("Escape")
    expect(page.locator("#nav-count")).to_have_text("3")
    expect(page).to_have_title(re.compile(r"^\(3\)"))
    expect(page.locator("link[rel=icon]")).to_have_attribute("href", "/icon/3.svg")


def test_u06_in_a_long_list_the_row_under_review_stays_where_it_is(propose, alice, sign_in):
    made = [propose(order=str(n), timeout=timedelta(hours=1, minutes=n)) for n in range(20)]
    page = sign_in(alice)
    live(page)
    open_card(page, made[12])
    before = None
    while (now := row(page, made[12]).bounding_box()) != before:  # until the list stands still
        before = now
        page.wait_for_timeout(200)
    urgent = propose(order="URGENT", timeout=timedelta(minutes=20))
    expect(row(page, urgent)).to_be_attached()

    # The page scrolls by whole pixels, the row may end between two.
    assert row(page, made[12]).bounding_box() == pytest.approx(before, abs=1)


def test_a_row_whose_time_moved_stands_where_a_new_list_has_it(propose, alice, carol, sign_in):
    now = times.now()
    with times.at(now - timedelta(minutes=4)):
        first, second, third = (propose(order=f"T{n}", timeout=timedelta(hours=2)) for n in range(3))
    with times.at(now - timedelta(minutes=3)):
        claims.claim(first.pk, by=carol)
    page = sign_in(alice)
    live(page)
    order = "rows => rows.map((row) => row.dataset.row)"
    rows = page.locator("[data-rows] [data-row]")
    assert rows.evaluate_all(order) == [str(one.pk) for one in (first, second, third)]

    row(page, first).locator(".row-link").focus()
    claims.release_claim(first.pk, by=carol)  # its tier's clock stood still for three minutes
    expect(rows.last).to_have_attribute("data-row", str(first.pk))
    expect(row(page, first).locator(".row-link")).to_be_focused()
    assert rows.evaluate_all(order) == [str(one.pk) for one in (second, third, first)]
    page.reload()
    assert rows.evaluate_all(order) == [str(one.pk) for one in (second, third, first)]


def test_u08_u09_without_a_socket_the_page_says_so_and_still_converges(three, propose, alice, carol, sign_in):
    page = sign_in(alice)
    sockets, blocked = [], True

    def handle(socket):
        sockets.append(socket)
        if blocked:
            socket.close()
        else:
            socket.connect_to_server()

    page.route_web_socket(re.compile("/ws/inbox/"), handle)
    page.reload()
    expect(page.locator("[data-banner]")).to_have_text(re.compile("Live updates paused, refreshing every 10 s"))
    fresh = propose(order="LATE", timeout=timedelta(minutes=20))  # tier 1 has half of it
    decide(card_version_of(load(three[0].pk)), by=carol, verdict="approve")
    expect(row(page, fresh)).to_be_visible(timeout=15_000)
    expect(row(page, three[0])).to_have_count(0)

    blocked = False
    expect(page.locator("[data-banner]")).to_be_hidden(timeout=12_000)
    shown = [one.get_attribute("data-row") for one in page.locator("[data-row]").all()]
    assert shown == [str(one.pk) for one in (fresh, three[1], three[2])]


def test_u11_countdowns_are_right_when_the_viewers_clock_is_wrong(three, alice, sign_in):
    page = sign_in(alice)
    shown = row(page, three[0]).locator("time").inner_text()
    page.add_init_script("{ const real = Date.now; Date.now = () => real() + 600000; }")
    page.reload()
    page.wait_for_timeout(1_500)  # waits for nothing: the minutes stay what they are over a tick

    minutes = int(shown.split()[0])
    assert abs(int(row(page, three[0]).locator("time").inner_text().split()[0]) - minutes) <= 1


def test_u36_u37_the_next_card_follows_at_once_and_z_takes_the_verdict_back(with_undo, propose, alice, sign_in):
    first = propose(order="1", timeout=timedelta(hours=1))
    second = propose(order="2", timeout=timedelta(hours=2))
    page = sign_in(alice)
    open_card(page, first)
    wait_until_still(page)
    page.keyboard.press("a")
    expect(page.locator(f"[data-card='{second.pk}']")).to_be_visible()
    expect(page.locator("#pane")).to_be_focused()
    expect(page.locator("[data-toast]")).to_contain_text("Goes to the agent in")
    assert load(first.pk).status == "held"
    page.keyboard.press("z")
    expect(page.locator(f"[data-card='{first.pk}']")).to_be_visible()

    assert load(first.pk).status == "pending"
    expect(row(page, first)).not_to_have_attribute("data-settled", "")


def test_u30_u31_changing_shows_the_difference_and_rejecting_asks_why(three, alice, sign_in):
    page = sign_in(alice)
    first, second, _third = three
    open_card(page, first)
    wait_until_still(page)
    page.keyboard.press("m")
    amount = page.locator("[data-control='/amount'] [data-text]")
    amount.fill("200")
    expect(page.locator("#modify-diff mark")).to_have_text("200")
    amount.fill("-2")
    expect(page.locator("#modify-diff .field-error")).to_contain_text("/amount")
    wait_until_still(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-control='/amount'] .field-error")).to_be_visible()
    amount.fill("200")
    wait_until_still(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator(f"[data-card='{second.pk}']")).to_be_visible()
    assert load(first.pk).proposal.args["amount"] == 200

    wait_until_still(page)
    page.keyboard.press("r")
    expect(page.locator("[name=reason]").first).to_be_focused()
    wait_until_still(page)
    page.keyboard.press("Control+Enter")
    expect(page.locator("#reject-error")).to_be_visible()
    assert load(second.pk).status == "pending"
    page.get_by_text("Duplicate", exact=True).click()
    wait_until_still(page)
    page.keyboard.press("Control+Enter")
    expect(row(page, second)).to_contain_text("Rejected by Alice")


def test_u18_u40_what_somebody_else_settles_while_it_is_open_locks_the_card(three, alice, carol, sign_in):
    page = sign_in(alice)
    live(page)
    open_card(page, three[0])
    decide(card_version_of(load(three[0].pk)), by=carol, verdict="approve")
    expect(page.locator("#card-notice")).to_contain_text("Carol approved this")
    expect(page.locator("form[data-verdict] [name=verdict]")).to_have_count(0)


def test_u41_u42_alike_ones_are_selected_and_decided_together_by_keys(three, alice, sign_in):
    Approval.objects.filter(pk__in=[one.pk for one in three]).update(flagged=0)
    page = sign_in(alice)
    page.keyboard.press("j")
    page.keyboard.press("Shift+J")
    expect(page.locator("[data-batch-count]")).to_have_text("2 selected")
    wait_until_still(page)
    page.keyboard.press("b")
    expect(page.get_by_role("heading", name="2 requests: Refund")).to_be_visible()
    wait_until_still(page)
    page.keyboard.press("a")
    expect(page.get_by_role("heading", name="2 recorded")).to_be_visible()

    assert [load(one.pk).verdict for one in three] == ["approve", "approve", ""]
    expect(page.locator("[data-batch-bar]")).to_be_hidden()


def test_u25_nothing_on_the_card_reaches_out(propose, alice, sign_in):
    hostile = "https://evil.example/x.png ![](https://evil.example/y.png) <img src=https://evil.example/z.png>"
    approval = propose(order=hostile, summary=hostile, reasoning=hostile, context={"link": hostile})
    page = sign_in(alice)
    requested_urls = []
    page.on("request", lambda request: requested_urls.append(request.url))
    page.goto(f"/approvals/{approval.pk}/")
    page.wait_for_load_state("networkidle")

    assert requested_urls
    assert not [url for url in requested_urls if "evil" in url]


def test_u51_on_a_phone_every_verdict_is_in_reach_of_a_thumb(three, alice, sign_in):
    page = sign_in(alice, **PHONE)
    row(page, three[0]).locator(".row-link").tap()
    approve = page.locator("#actions .approve")
    expect(approve).to_be_visible()
    a, r = approve.bounding_box(), page.locator("#actions .reject").bounding_box()
    for control in page.locator("#actions .button").all():
        box = control.bounding_box()
        assert box["height"] >= 44
        assert box["y"] + box["height"] <= 844
    assert a["x"] - (r["x"] + r["width"]) >= 32
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("[data-back]").first.tap()
    expect(row(page, three[0])).to_be_visible()


def test_no_page_is_wider_than_a_phone(three, mia, sign_in):
    page = sign_in(mia, **PHONE)
    names = (
        "history:history",
        "runs:runs",
        "reports:report",
        "reports:calibration",
        "reports:shadow",
        "grants:grants",
        "runs:unconfirmed",
        "overload:catch_up",
        "profile:security",
    )
    wide = {}
    for name in names:
        page.goto(reverse(name))
        if (width := page.evaluate("document.documentElement.scrollWidth")) > 390:
            wide[name] = width

    assert not wide


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_u52_u53_axe_finds_nothing_serious(scheme, three, propose, alice, sign_in):
    propose(order="45\u202e6", current={"amount": 1}, alternatives=[], summary="s", context={"a": 1})
    page = sign_in(alice, bypass_csp=True, color_scheme=scheme, reduced_motion="reduce")
    faults_by_page = {}
    for url in ("/", f"/approvals/{three[0].pk}/", "/history/", "/profile/"):
        page.goto(url)
        page.wait_for_timeout(300)
        faults_by_page[url] = _serious(page)
    page.goto(f"/approvals/{three[1].pk}/")
    for key in "rme":
        wait_until_still(page)
        page.keyboard.press(key)
        expect(page.locator("#actions .sheet")).to_be_visible()
        wait_until_still(page)
        faults_by_page[key] = _serious(page)
        page.keyboard.press("Escape")
        expect(page.locator("#actions .sheet")).to_have_count(0)

    assert not {place: faults for place, faults in faults_by_page.items() if faults}


def _serious(page) -> list[str]:
    violations = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in violations
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"][:2]
    ]
