"""A card with text typed into it, in a browser."""

from playwright.sync_api import expect

from approvals.models import UnsentText
from tests.plans.conftest import kinds, mail, plan, step  # noqa: F401

NOTE = "[data-unsent-note]"
MESSAGE = "#actions [name=message]"
SLOW = 15_000


def open_card(page, approval):
    page.locator(f"#row-{approval.pk} .row-link").click()
    expect(page.locator(f"[data-card='{approval.pk}']")).to_be_visible(timeout=SLOW)


def open_panel(page, key="r", field=MESSAGE):
    expect(page.locator(f"#actions [data-key='{key}']")).to_be_visible(timeout=SLOW)
    page.locator("#card-title").click()
    expect(page.locator(field)).to_be_visible(timeout=SLOW) if page.locator(field).count() else None
    page.locator(f"#actions [data-key='{key}']").click()
    expect(page.locator(field)).to_be_visible(timeout=SLOW)


def wait_until_kept(page, text):
    """Wait until the server has it."""
    for _ in range(100):
        if any(text in str(row.fields) for row in UnsentText.objects.all()):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{text!r} was not kept: {list(UnsentText.objects.values('slot', 'fields'))}")
