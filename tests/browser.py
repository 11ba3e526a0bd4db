"""A running console, and people who have signed in to it in Chromium."""

import shutil
import time
from collections.abc import Callable, Iterator

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import Browser, Page, expect, sync_playwright

from approvals.models import (
    Approval,
    User,
)
from tests.web import Web


@pytest.fixture
def web(transactional_db, tmp_path) -> Iterator[Web]:
    """A running console; `web.url`, `web.clock()`."""
    cache.clear()  # attempts to sign in that earlier tests made are counted there
    running = Web(tmp_path)
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's headless Chromium. Closed after each file: its event loop and asyncio's tests do not mix."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        pytest.skip("no Chromium on this machine (Debian: apt install chromium)")
    # What a page comes to say is waited for, as long as a busy machine needs; how fast it is, the bench measures.
    expect.set_options(timeout=20_000)
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=quiet)
        yield browser
        browser.close()


def session_of(user: User) -> str:
    """The session of somebody who has just given a password; the sign-in page has tests of its own."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    session = client.session
    session["account_authentication_methods"] = [{"method": "password", "at": time.time(), "username": user.username}]
    session.save()
    UserSession.objects.create(user=user, session_key=session.session_key, ip="127.0.0.1", user_agent="Chromium")
    return str(session.session_key)


@pytest.fixture
def sign_in(web, chromium) -> Iterator[Callable[..., Page]]:
    """Open a browser window in which a person has signed in: sign_in(alice, viewport={…}, color_scheme="dark").

    Of None it is a window at the sign-in page.
    """
    windows = []

    def open_window(user: User | None, **options: object) -> Page:
        window = chromium.new_context(
            base_url=web.url, **{"viewport": {"width": 1280, "height": 720}, "locale": "en-GB", **options}
        )
        windows.append(window)
        if user:
            window.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session_of(user), "url": web.url}])
        page = window.new_page()
        page.goto("/")
        return page

    yield open_window
    for window in windows:
        window.close()


def wait_until_still(page: Page) -> None:
    """Wait until what stands in the pane takes keys: it has just come, or moved."""
    page.locator("#pane:not([data-fresh])").wait_for(state="attached")


def wait_until_settled(page: Page, approval: Approval) -> None:
    """Wait until the list no longer offers it: its row is greyed, or gone already where the list was read anew."""
    expect(page.locator(f"#row-{approval.pk}:not([data-settled])")).to_have_count(0, timeout=30_000)
