"""What the README says can be pasted."""

import re
import subprocess
import threading
import time
from pathlib import Path

import pytest

from agents import keys
from approvals.models import Agent, Approval, Membership
from approvals.policy import packs, snapshot
from approvals.review.decisions import decide, load, seen

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
                decide(seen(load(waiting.pk)), by=carol, verdict="approve")
                break
            time.sleep(0.05)
        connection.close()

    thread = threading.Thread(target=wait_and_approve)
    thread.start()
    return thread


@pytest.mark.slow
def test_the_ten_lines_of_python_pay_what_was_approved(shop, web):
    carol, key = shop
    web.clock()
    paid = []
    code = blocks("python")[0].replace("http://127.0.0.1:8000", web.url).replace("asn_…", key)
    thread = approving(carol)
    names = {"pay": lambda **args: paid.append(args)}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102  # our own README
    names["assent"].close()
    thread.join()

    assert paid == [{"order": "456", "amount": "420.00", "currency": "EUR", "reason": "Arrived broken"}]
    assert Approval.objects.get().status == "executed"


@pytest.mark.slow
def test_the_same_with_curl(shop, web):
    carol, key = shop
    web.clock()
    lines = "\n".join(line.removeprefix("$ ") for line in blocks("console")[0].splitlines() if "KEY=" not in line)
    script = lines.replace("localhost:8000", web.url.removeprefix("http://"))
    submit, wait, report = re.split(r"\n(?=curl)", script)
    thread = approving(carol)

    def run(command: str, **variables: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            env={"PATH": "/usr/bin:/bin", "KEY": key, **variables},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    request = re.search(r'"id":\s*"([^"]+)"', run(submit))[1]
    assert '"verdict":"approve"' in run(wait, ID=request)
    run(report, ID=request)
    thread.join()

    assert Approval.objects.get().status == "executed"
