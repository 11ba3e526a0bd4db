"""What the README says can be pasted."""

import json
import re
import subprocess
import threading
import time
from pathlib import Path

import assent
import pytest
from assent import tokens

from agents import keys
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.models import Agent, Approval, Membership
from approvals.policy import snapshot
from approvals.policy.authoring import packs

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_first_two_blocks_are_the_two_commands_one_line_each():
    start, test = blocks("sh")[:2]

    assert start == "python3 manage.py up\n"
    assert test == "python3 manage.py test\n"


def test_ci_calls_exactly_the_readmes_test_command():
    [called] = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if "manage.py" in line]

    assert called == blocks("sh")[1].strip()


def test_every_file_the_readme_names_is_there():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.fixture
def shop(transactional_db, person):
    """The commerce pack, an agent with a key, and a senior who approves whatever comes within ten seconds."""
    packs.load("commerce")
    snapshot.publish(by=None, note="commerce")
    carol = person("carol")
    Membership.objects.create(user=carol, tier_id=3)
    agent = Agent.objects.create(name="support-agent")
    return carol, keys.issue(agent=agent, name="readme")[1]


def approving(carol) -> threading.Thread:
    def wait_and_approve() -> None:
        from django.db import connection

        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            waiting = Approval.objects.filter(status="pending").first()
            if waiting:
                decide(card_version_of(load(waiting.pk)), by=carol, verdict="approve")
                break
            time.sleep(0.05)
        connection.close()

    thread = threading.Thread(target=wait_and_approve)
    thread.start()
    return thread


@pytest.mark.slow
def test_the_three_lines_of_python_pay_what_was_approved(shop, web, monkeypatch, tmp_path):
    carol, key = shop
    web.clock()
    for name, value in {"ASSENT_URL": web.url, "ASSENT_KEY": key, "ASSENT_STATE": str(tmp_path / "state")}.items():
        monkeypatch.setenv(name, value)
    paid = []
    thread = approving(carol)
    with assent.defaults.fresh():
        exec(compile(blocks("python")[0], "README.md", "exec"), {"pay": lambda *args: paid.append(args)})  # noqa: S102  # our own README
    thread.join()

    assert paid == [("456", "420.00", "EUR")]
    assert Approval.objects.get().status == "executed"


@pytest.mark.slow
def test_the_same_with_curl(shop, web):
    carol, key = shop
    web.clock()
    lines = "\n".join(line.removeprefix("$ ") for line in blocks("console")[0].splitlines())
    script = lines.replace("localhost:8000", web.url.removeprefix("http://"))
    submit, wait, use, report = re.split(r"\n(?=curl)", script)
    thread = approving(carol)

    def run(command: str, **variables: str) -> dict:
        done = subprocess.run(
            ["bash", "-c", command],
            env={"PATH": "/usr/bin:/bin", "ASSENT_KEY": key, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)

    request = run(submit)["id"]
    [item] = run(wait, ID=request)["items"]
    assert item["verdict"] == "approve"
    jti = tokens.read(item["permit"]).text("jti")
    assert run(use, JTI=jti, PERMIT=item["permit"], DIGEST=item["action_digest"])["replayed"] is False
    run(report, ID=request)
    thread.join()

    assert Approval.objects.get().status == "executed"
