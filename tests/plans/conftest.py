"""Plans of robot: refunds, mails that cannot be taken back, wipes that need a typed value."""

import threading
from collections.abc import Callable

import pytest
from django.db import connection

from approvals.decisions.card_version import load
from approvals.models import ActionType, Approval
from approvals.requests import intake
from approvals.requests.submission import Item, Receipt, RunRef, Submission

MAIL = {
    "type": "object",
    "properties": {"to": {"type": "string"}, "text": {"type": "string"}},
    "required": ["to", "text"],
    "additionalProperties": False,
}


@pytest.fixture
def kinds(refunds, action_type) -> dict[str, ActionType]:
    """refund (partial), mail (irreversible), wipe (manual), note (reversible), and how plans are decided."""
    plain = {"value_path": "", "currency_path": "", "subject_path": "", "schema": MAIL, "headline": "{to}: {text}"}
    return {
        "refund": refunds,
        "mail": action_type("mail", **plain, reversibility="irreversible"),
        "wipe": action_type("wipe", reversibility="irreversible", gate="manual", tier_id=2),
        "note": action_type("note", **plain, reversibility="reversible"),
        "plan": action_type(
            "plan", **{**plain, "schema": {}, "headline": "carry out a plan: {steps}", "subject_path": ""}
        ),
    }


def step(
    name: str, amount: float = 420, *, action: str = "refund", after: tuple[str, ...] = (), **args: object
) -> dict:
    """A step as it goes over the wire."""
    sent = (
        {"amount": amount, **args} if "order" in args else args or {"order": "456", "amount": amount, "currency": "EUR"}
    )
    return {"id": name, "action": {"name": action, "args": sent}, "depends_on": list(after)}


def mail(name: str, *after: str, to: str = "ann@example.com") -> dict:
    return step(name, action="mail", after=after, to=to, text="done")


@pytest.fixture
def plan(kinds, robot) -> Callable[..., Approval]:
    """Have robot propose a plan of steps: plan(step("a"), mail("b", "a"), run="thread-7")."""

    def make(*steps: dict, run: str = "", **fields: object) -> Approval:
        item = Item(id="plan", item_type="plan", steps=list(steps), **fields)
        submission = Submission((item,), "sha256:plan", run=RunRef(run) if run else None)
        [answer] = intake.submit(robot, [submission])
        if not isinstance(answer, Receipt):
            raise answer
        return load(answer.approvals[0].pk)

    return make


@pytest.fixture
def propose_step(robot) -> Callable[..., Approval]:
    """Have robot propose a step by itself: carry_out(step("a"), run="thread-7")."""

    def make(planned_step: dict, *, run: str = "", agent=robot, **fields: object) -> Approval:
        action = planned_step["action"]
        item = Item(id=planned_step["id"], action=action["name"], args=action["args"], **fields)
        submission = Submission((item,), "sha256:step", run=RunRef(run) if run else None)
        [answer] = intake.submit(agent, [submission])
        if not isinstance(answer, Receipt):
            raise answer
        return load(answer.approvals[0].pk)

    return make


def together(call: Callable[[], object], times: int) -> list[object]:
    """The results of so many calls started at the same moment, each in a thread of its own; they share a pool."""
    gate = threading.Barrier(times)
    results: list[object] = [None] * times

    def run(index: int) -> None:
        gate.wait()
        try:
            results[index] = call()
        except Exception as error:  # whatever it was, the test looks at it
            results[index] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
