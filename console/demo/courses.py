"""Runs in every state: one that waits, one that was undone, one that could not be, one that was stopped.

Told like the past, with the clock pinned, through the functions that the product uses.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from logging import Logger

from django.db import transaction

from approvals import clock
from approvals.db import times
from approvals.decisions import guidance
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.execution import agent_reports as agents_own
from approvals.execution import rollback, steps
from approvals.models import Agent, Approval, Outcome, Run, Step, User
from approvals.models.policy import Verdict
from approvals.models.states import Status
from approvals.requests import intake
from approvals.requests.submission import Item, Receipt, RunRef, Submission
from approvals.values.schema import Json, digest_of

PREFIX = "demo-course-"
AGENT, REVIEWER = "procurement-agent", "ana"
WAITS_IN = "demo-order-hotel"  # the request that waits, in `waiting.toml`
_PACE = timedelta(seconds=40)


def already_played() -> bool:
    """True where the demo's runs exist already."""
    return Run.objects.filter(key__startswith=PREFIX).exists()


@transaction.atomic
def play(cast: Mapping[str, User], agents: Mapping[str, Agent]) -> int:
    """Play them all; returns how many. Before anything waits: time passes for all alike."""
    now = times.now()
    agent, ana = agents[AGENT], cast[REVIEWER]
    # An alarm of a made-up past alarms nobody.
    with silenced(rollback.log):
        _play_runs(agent, ana, now)
    return 5


@contextmanager
def silenced(log: Logger) -> Iterator[None]:
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = False


def _play_runs(agent: Agent, ana: User, now: datetime) -> None:
    sent = DemoRun(agent, ana, "A-7640", "Order A-7640: 12 garden lamps", now - timedelta(hours=26))
    sent.reserve("LMP-12", 12, "R-3310")
    sent.ask("confirm", "orders@larsen.example", "Your order A-7640 is on its way", Verdict.APPROVE)

    undone = DemoRun(agent, ana, "A-7651", "Order A-7651: 40 kettles for a hotel", now - timedelta(hours=22))
    undone.reserve("KT-77", 40, "R-3318")
    undone.book("NordCargo", "NC-90112")
    undone.ask("confirm", "einkauf@alpenhof.example", "40 kettles, delivered on Monday", Verdict.REJECT)
    undone.undo("book")
    undone.undo("reserve")

    stuck = DemoRun(agent, ana, "A-7668", "Order A-7668: shelving for a shop", now - timedelta(hours=5))
    stuck.reserve("SHF-4", 18, "R-3325")
    stuck.book("NordCargo", "NC-90140")
    stuck.ask("confirm", "shop@bienenkorb.example", "Your shelving arrives tomorrow", Verdict.REJECT)
    stuck.undo("book", fails=rollback.TRIES, because="nordcargo answers 503: bookings cannot be changed after 16:00")
    stuck.undo("reserve")

    stopped = DemoRun(agent, ana, "A-7671", "Order A-7671: fireworks for a garden party", now - timedelta(hours=3))
    stopped.reserve("FW-2", 6, "R-3327")
    stopped.ask("confirm", "party@sommer.example", "Your fireworks are packed", Verdict.REJECT, stop=True)
    stopped.undo("reserve")

    waiting = DemoRun(agent, ana, "A-7702", "Order A-7702: parasols for a café", now - timedelta(minutes=3))
    waiting.reserve("PRS-9", 9, "R-3339")
    waiting.ask("confirm", "hallo@cafe-linde.example", "Nine parasols, three weeks late", Verdict.REJECT)


def play_waiting_run(cast: Mapping[str, User], agents: Mapping[str, Agent]) -> None:
    """What the run did before it came to the request that waits, and a word of a reviewer on the way."""
    if Step.objects.filter(run__key=WAITS_IN).exists():
        return
    run = Run.objects.filter(agent=agents[AGENT], key=WAITS_IN).first()
    if run is None or not run.requests.filter(status="pending").exists():
        return
    check: Json = {"name": "check_stock", "args": {"rooms": 52, "in stock": "all but 6 wardrobes"}}
    steps.record(run, steps.StepReport("check", fields={"action": check}))
    steps.record(run, steps.StepReport("reserve", fields=_reservation("BED-52", 104, "R-3340")))
    guidance.give(run.pk, by=cast["ben"], text="If they want it before May, offer the oak instead of the walnut.")


def _reservation(sku: str, units: int, number: str) -> dict[str, Json]:
    return {
        "action": {"name": "reserve_stock", "args": {"sku": sku, "units": units}},
        "undo": {"name": "release_stock", "args": {"reservation": number}},
    }


@dataclass
class DemoRun:
    """One run, told step by step; every step takes a little time."""

    agent: Agent
    reviewer: User
    order: str
    name: str
    now: datetime

    @property
    def key(self) -> str:
        return f"{PREFIX}{self.order}"

    def reserve(self, sku: str, units: int, number: str) -> None:
        self._done("reserve", _reservation(sku, units, number))

    def book(self, carrier: str, number: str) -> None:
        action: Json = {"name": "book_transport", "args": {"carrier": carrier}}
        self._done("book", {"action": action, "undo": {"name": "cancel_transport", "args": {"booking": number}}})

    def ask(self, step: str, to: str, subject: str, verdict: str, *, stop: bool = False) -> None:
        """Mail to a customer, which a person reads first."""
        args: Json = {"to": to, "subject": subject, "body": f"Good day,\n\n{subject}.\n\nYours, Northwind"}
        item = Item(id="call_1", action="send_mail", args=args, summary=f"Tell the customer of {self.order}.")
        submission = Submission(
            items=(item,),
            content_hash=digest_of({"order": self.order, "args": args}),
            key=f"{self.key}/{step}",
            run=RunRef(self.key, self.name, step),
            model="scripted",
            prompt_version="2026-11",
        )
        with self._at_later_time():
            [answer] = intake.submit(self.agent, [submission])
        if not isinstance(answer, Receipt):
            raise answer
        [approval] = answer.approvals
        with self._at_later_time():
            rejection = VerdictInput(
                reason="policy", message="We promise no day that logistics has not confirmed.", stop=stop
            )
            given = rejection if verdict == Verdict.REJECT else VerdictInput(viewed=timedelta(seconds=31))
            decide(card_version_of(approval), by=self.reviewer, verdict=verdict, verdict_input=given)
        with self._at_later_time():
            clock.sweep()  # the undo window is over
        if verdict == Verdict.APPROVE:
            self._sent(load(approval.pk), step)

    def undo(self, step: str, *, fails: int = 0, because: str = "") -> None:
        undone_step = Step.objects.get(run__agent=self.agent, run__key=self.key, key=step)
        for _ in range(fails):
            with self._at_later_time():
                rollback.report(undone_step, by=self.agent, succeeded=False, detail=because)
        if not fails:
            with self._at_later_time():
                rollback.report(undone_step, by=self.agent, succeeded=True)

    def _sent(self, approval: Approval, step: str) -> None:
        with self._at_later_time():
            if approval.status == Status.RELEASED:
                agents_own.report_outcome(approval, by=self.agent, result=Outcome.Result.SUCCEEDED)
            self._record(steps.StepReport(step, approval=approval))

    def _done(self, step: str, result: Mapping[str, Json]) -> None:
        with self._at_later_time():
            self._record(steps.StepReport(step, fields=result))

    def _record(self, reported: steps.StepReport) -> None:
        steps.record(steps.run_of(self.agent, self.key, self.name), reported)

    def _at_later_time(self) -> AbstractContextManager[None]:
        self.now += _PACE
        return times.at(self.now)
