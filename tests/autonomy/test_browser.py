"""A manager signs a promotion in Chromium, on a narrow screen too, without a word out of sight."""

import pytest
from playwright.sync_api import expect

from approvals.models import Autonomy

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.mark.parametrize("options", [{}, {"viewport": {"width": 390, "height": 844}, "java_script_enabled": False}])
def test_a_promotion_is_signed_where_its_numbers_stand(options, sign_in, mia, evidence, autonomy):
    evidence("low", labels=140, wrong=1, may_lose_gate=True)
    evidence("medium", labels=27, earned=False, e=2.5, needed=61)
    page = sign_in(mia, **options)
    page.goto("/fleet/")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    expect(page.get_by_text("61 more labels without a fault.")).to_be_visible()

    page.get_by_role("link", name="robot · Refund").click()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.get_by_role("button", name="Sign level 3").click()

    expect(page.get_by_text("Level 2 to 3 for low impact")).to_be_visible()
    assert Autonomy.objects.get().level == 3
