"""robot with the SDK against a real server, and people who decide meanwhile."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from threading import Thread

import pytest
from assent import Assent

from agents import keys
from approvals.decisions import decide as decisions
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Approval, User
from approvals.models.states import Status

REFUND = {"order": "456", "amount": 420, "currency": "EUR"}


@pytest.fixture
def key(robot, refunds) -> str:
    keys.forget()
    return keys.issue(agent=robot, name="sdk")[1]


@pytest.fixture
def client(web, key, tmp_path) -> Iterator[Assent]:
    """robot's client."""
    with Assent(web.url, key, state=tmp_path / "state", patience=5) as made:
        yield made


@pytest.fixture
def settle(alice) -> Callable[..., Approval]:
    """Have a person decide what waits: settle(), settle("reject", message="…"), settle("modify", edits=…)."""

    def decide(verdict: str = "approve", *, by: User = alice, **verdict_input: object) -> Approval:
        deadline = time.monotonic() + 10
        while True:
            waiting = Approval.objects.filter(status=Status.PENDING).order_by("-created_at").first()
            if waiting is not None:
                break
            assert time.monotonic() < deadline, "nothing waits"
            time.sleep(0.02)
        return decisions.decide(
            card_version_of(load(waiting.pk)),
            by=by,
            verdict=verdict,
            verdict_input=VerdictInput(**verdict_input),
        )

    return decide


@pytest.fixture
def environment(web, key, tmp_path) -> dict[str, str]:
    """What a process of robot's needs to know."""
    sdk = Path(__file__).resolve().parents[2] / "agents" / "sdk" / "src"
    return {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(sdk),
        "ASSENT_URL": web.url,
        "ASSENT_KEY": key,
        "ASSENT_STATE": str(tmp_path / "state"),
        "LEDGER": str(tmp_path / "ledger.jsonl"),
    }


@pytest.fixture
def working() -> Callable[[Callable[[], object]], "Future[object]"]:
    """Have an agent work beside the test: working(work).result(30). A test that fails does not wait for it to end."""

    def begin(work: Callable[[], object]) -> "Future[object]":
        ending: Future[object] = Future()

        def run() -> None:
            try:
                ending.set_result(work())
            except BaseException as error:
                ending.set_exception(error)

        Thread(target=run, daemon=True).start()
        return ending

    return begin
