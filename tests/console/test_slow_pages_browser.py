"""What a person sees of a page, or a part of one, that took too long, as production shows it."""

import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest
from playwright.sync_api import expect

from tests.web import ROOT, Web, database_url

TOO_LONG = "This took too long and was stopped."


class ProductionWeb(Web):
    """A console that shows no developer's pages, and gives a page a second."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "DEBUG": "0", "ASSENT_PAGE_SECONDS": "1"}

    def start(self) -> None:
        collect = [sys.executable, "-m", "django", "collectstatic", "--noinput", "-v", "0"]
        subprocess.run(collect, cwd=ROOT, env=self.environment, check=True)
        super().start()


@pytest.fixture
def web(transactional_db, tmp_path) -> Iterator[Web]:
    running = ProductionWeb(tmp_path)
    try:
        running.start()
        yield running
    finally:
        running.stop()


def test_a_search_that_took_too_long_says_so_and_leaves_the_list(refund, alice, sign_in):
    page = sign_in(alice)
    row = page.locator(f"#row-{refund.pk}")
    expect(row).to_be_visible()
    search = page.get_by_role("searchbox").first

    with psycopg.connect(database_url()) as other:
        other.execute("LOCK TABLE approvals_approval IN ACCESS EXCLUSIVE MODE")
        search.fill("nothing like it")
        search.press("Enter")
        expect(page.locator("#toasts")).to_contain_text(TOO_LONG)
        expect(row).to_be_visible()

    search.fill("refund")
    search.press("Enter")
    expect(row).to_be_visible()
