"""In a real browser: notifications of an open inbox, and the page where channels are kept."""

import pytest

from approvals.models import Channel, User
from tests.text_search import mentions

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Chromium without a desktop shows nothing: what would be shown is written down instead.
RECORDED = """
window.told = [];
window.Notification = class {
  static permission = "granted";
  constructor(title, options) { window.told.push({title, ...options}); }
};
document.hasFocus = () => false;
"""


def test_an_inbox_that_nobody_looks_at_notifies_of_an_arrival_without_its_arguments(sign_in, alice, propose):
    User.objects.filter(pk=alice.pk).update(desktop=True)
    propose()  # before the page opened
    page = sign_in(alice)
    page.add_init_script(RECORDED)
    page.reload()
    page.wait_for_selector("[data-live][data-state=live]")
    approval = propose(amount=4711, order="secret-order")
    for _ in range(50):
        if page.evaluate("window.told.length"):
            break
        page.wait_for_timeout(100)

    [notification] = page.evaluate("window.told")
    assert notification["title"] == "Refund"
    assert notification["body"].startswith("Frontline · by ")
    assert notification["tag"] == str(approval.pk)
    assert not mentions(str(notification), "4711")


def test_a_channel_is_added_tested_switched_off_and_removed(sign_in, alice):
    page = sign_in(alice, viewport={"width": 390, "height": 844})
    page.goto("/profile/notifications/")
    page.click("text=ntfy")
    page.fill("[name=topic]", "assent-alice")
    page.click("text=Add >> nth=-1")
    page.wait_for_selector(".channel:has-text('ntfy')")
    page.select_option(".channel:has-text('ntfy') select", "off")
    page.wait_for_selector(".channel:has-text('ntfy') .chip:has-text('Off')")
    assert not Channel.objects.get(service="ntfy").active
    page.click(".channel:has-text('ntfy') [value=remove]")
    page.wait_for_selector(".channel:has-text('ntfy')", state="detached")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
