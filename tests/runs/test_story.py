"""Plan, resources, execution: the second one is rejected on the page, and the first one's effects are undone."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from agents import keys
from approvals.models import Approval, Run, Step
from tests.browser import wait_until_still
from tests.conftest import ROOT

pytestmark = [pytest.mark.browser, pytest.mark.slow]
DAYS = {"type": "object", "properties": {"days": {"type": "integer"}}, "required": ["days"]}


@pytest.fixture
def kinds(action_type, robot) -> None:
    for name, headline in (
        ("make_plan", "plan a trip of {days} days"),
        ("resources", "book rooms for {days} nights"),
        ("execution", "pay for {days} nights"),
    ):
        paths = {"value_path": "", "currency_path": "", "subject_path": ""}
        action_type(name, schema=DAYS, headline=headline, **paths)


def started(program: str, web, robot, effects: Path) -> subprocess.Popen:
    effects.mkdir()
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT / "agents" / "sdk" / "src"),
        "ASSENT_URL": web.url,
        "ASSENT_KEY": keys.issue(agent=robot, name="story")[1],
        "ASSENT_STATE": str(effects.parent / "state"),
    }
    command = [sys.executable, str(Path(__file__).with_name(program)), str(effects)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def opened(page: Page, kind: str, agent: subprocess.Popen) -> None:
    """Open the card of what the agent asks next."""
    deadline = time.monotonic() + 20
    while (approval := Approval.objects.filter(action_type=kind, status="pending").first()) is None:
        assert agent.poll() is None, agent.communicate()
        assert time.monotonic() < deadline, f"nobody asks for {kind}"
        time.sleep(0.1)
    page.goto(reverse("card:card", args=[approval.pk]))


@pytest.mark.parametrize("program", ["by_hand.py", "by_sdk.py"])
def test_a_no_to_the_second_step_undoes_the_first(program, web, kinds, robot, alice, sign_in, tmp_path):
    effects = tmp_path / "effects"
    page = sign_in(alice)
    agent = started(program, web, robot, effects)

    opened(page, "make_plan", agent)
    expect(page.get_by_text("spring")).to_be_visible()
    wait_until_still(page)
    page.keyboard.press("a")
    opened(page, "resources", agent)
    expect(page.locator(".run-line")).to_contain_text("done: make_plan · can be undone: make_plan")
    expect(page.get_by_text("full on Sunday")).to_be_visible()
    assert [one.name for one in effects.iterdir()] == ["make_plan"]

    wait_until_still(page)
    page.keyboard.press("r")
    expect(page.locator(".undoes")).to_contain_text("drop make plan: days 3")
    page.screenshot(path=tmp_path / f"{program}-rejecting.png")
    page.get_by_label("In your words").fill("too far")
    page.locator(".actions .reject[type=submit]").click()
    expect(page.get_by_text("Rejected. Released to the agent.")).to_be_visible()

    page.goto(reverse("runs:run", args=[Run.objects.get().pk]))
    expect(page.locator(".course [data-state=undone]")).to_contain_text("Plan a trip of 3 days", timeout=20_000)
    expect(page.locator(".course [data-state=rejected]")).to_contain_text("Book rooms for 3 nights")
    page.screenshot(path=tmp_path / f"{program}-undone.png")
    output, errors = agent.communicate(timeout=30)
    assert output.strip() == "rejected too far", errors
    assert list(effects.iterdir()) == []
    assert [(one.key, one.status, one.undo["args"]) for one in Step.objects.all()] == [
        ("make_plan", "undone", {"days": 3})
    ]
    assert {one.action_type_id: one.status for one in Approval.objects.all()} == {
        "make_plan": "compensated",
        "resources": "released",
    }
