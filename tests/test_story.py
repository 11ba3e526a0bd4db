"""The whole of it: an agent in its own process asks and waits, a person decides in a live inbox, the agent goes on."""

import subprocess
import sys
import time

import pytest
from playwright.sync_api import expect

from agents import keys
from approvals.models import Outcome
from tests.browser import wait_until_still
from tests.checker import check
from tests.web import database_url

AGENT = """
import sys, time, httpx
url, key = sys.argv[1:]
api = httpx.Client(base_url=f"{url}/api/v1/", headers={"Authorization": f"Bearer {key}"}, timeout=40)
args = {"order": "456", "amount": 420, "currency": "EUR"}
asked = api.post("requests", json={"action": "refund", "args": args, "reasoning": "It arrived broken."}).json()
print(asked["status"], flush=True)
while (answer := api.get(f"requests/{asked['id']}/decision", params={"wait": 25})).status_code == 202:
    pass
item = answer.json()["items"][0]
print(item["verdict"], item["action"]["args"]["amount"] if item["action"] else item["message"], flush=True)
if item["action"]:
    api.post(f"requests/{asked['id']}/items/{item['id']}/outcome", json={"result": "succeeded", "detail": "paid"})
"""

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def agent(web, robot):
    secret = keys.issue(agent=robot, name="story")[1]
    started = []

    def start() -> subprocess.Popen:
        process = subprocess.Popen(
            [sys.executable, "-c", AGENT, web.url, secret], stdout=subprocess.PIPE, text=True, bufsize=1
        )
        started.append(process)
        assert process.stdout.readline() == "pending\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def test_u06_an_agent_asks_a_person_approves_the_agent_goes_on(web, refunds, with_undo, alice, agent, sign_in):
    web.clock()
    inbox = sign_in(alice)
    expect(inbox.locator("body")).to_contain_text("Inbox")
    running = agent()

    row = inbox.get_by_role("link", name="Refund 420 EUR to order 456").first
    expect(row).to_be_visible()  # no reload
    row.click()
    expect(inbox.get_by_role("heading", name="Refund 420 EUR to order 456")).to_be_visible()
    inbox.get_by_role("button", name="Approve").first.click()
    expect(inbox.get_by_text("Approved").first).to_be_visible()
    started = time.monotonic()

    assert running.stdout.readline() == "approve 420\n"
    assert time.monotonic() - started > 3  # the undo window came first
    running.wait(10)
    assert Outcome.objects.get().detail == "paid"
    assert check(database_url()) == []


def test_a_rejection_reaches_the_agent_with_its_reason(web, refunds, alice, agent, sign_in):
    running = agent()
    inbox = sign_in(alice)
    inbox.get_by_role("link", name="Refund 420 EUR to order 456").first.click()
    expect(inbox.get_by_role("heading", name="Refund 420 EUR to order 456")).to_be_visible()
    wait_until_still(inbox)
    inbox.keyboard.press("r")
    inbox.locator("textarea[name=message]").fill("Not yet.")
    wait_until_still(inbox)
    inbox.keyboard.press("Control+Enter")

    assert running.stdout.readline() == "reject Not yet.\n"
