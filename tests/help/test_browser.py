"""The help in a browser: accessible in both themes, its tabs worked by keys and remembered."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from console.help import pages

PAGES = pages.slugs()


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_help_is_accessible_and_its_tabs_are_worked_by_keys(theme, web, chromium):
    window = chromium.new_context(base_url=web.url, color_scheme=theme, viewport={"width": 1280, "height": 720})
    page = window.new_page()
    for slug in PAGES:
        page.goto(reverse("help:page", args=[slug]))
        violations = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"]) for one in violations] == [], slug
        shown, listed = page.locator(".help-contents [aria-current]").bounding_box(), page.viewport_size
        assert 0 < shown["y"] < listed["height"] - shown["height"], slug

    page.goto(reverse("help:page", args=["permits"]))
    page.locator("[role=tab]").first.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("[role=tab][aria-selected=true]").first.inner_text() == "curl"
    assert "pick()" in page.locator("figure:visible").first.inner_text()
    page.goto(reverse("help:page", args=["runs"]))
    assert page.locator("[role=tab][aria-selected=true]").first.inner_text() == "curl"  # remembered
    window.close()
