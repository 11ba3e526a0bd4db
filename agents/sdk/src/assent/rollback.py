"""What a run did and how it is undone: told to Assent as it happens, and undone newest first.

What could not be told waits in the journal. An undo is begun on the disk before it runs, so that a process killed in
the middle of one does not do it a second time: that one is left to people.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from assent.binding import must_have_run
from assent.core import Core, Occurrences, Scope
from assent.documents import objects
from assent.errors import BadRequest, BrokenJournal, Unavailable
from assent.redaction import first_placeholder
from assent.shapes import Args, Guidance, Json, Object, Rollback
from assent.wire import Flow, invoke, on_disk, pause

TRIES = 3
_log = logging.getLogger("assent")
_FIRST = 0.5  # seconds before an undo is tried again, then twice that
_STEPS, _UNDOS = "steps", "undos"
_NOBODY_KNOWS = "The process was killed while it undid this; nobody knows how far it came."


@dataclass(frozen=True, slots=True)
class Undo:
    """What undoes a step. `repeatable`: running it twice does no harm."""

    function: Callable[..., object]
    repeatable: bool = False


@dataclass(slots=True)
class RunContext:
    """One run in this process: its occurrences, its undos, what it has heard."""

    core: Core
    key: str
    name: str
    life: Occurrences = field(default_factory=Occurrences)
    undos: dict[str, Undo] = field(default_factory=dict)
    real: dict[str, Args] = field(default_factory=dict)  # the values of redacted arguments of undos
    heard: str = ""  # the id of the newest guidance

    @property
    def scope(self) -> Scope:
        return Scope(self.core, self.key, self.name, self.life)

    @property
    def path(self) -> str:
        return f"runs/{quote(self.key, safe='')}"

    def undo_of(self, step: str) -> Undo | None:
        """The undo registered for a step; "reserve#2" is the second "reserve"."""
        return self.undos.get(step) or self.undos.get(step.rpartition("#")[0])


# --- Steps


def record_step(course: RunContext, step: str, report: Args) -> Flow[None]:
    """Record a step. It is on the disk first, and told again later when Assent cannot be reached."""
    document = {"run": course.key, "step": step, "told": {"id": step, **report}, "sent": False}
    yield from on_disk(lambda: course.core.journal.put(_STEPS, _name(course, step), document))
    try:
        yield from _send(course, document)
    except Unavailable as outage:
        _log.warning("The step %s could not be told yet: %s", step, outage)
    except BadRequest as error:
        if report["status"] == "started":
            raise
        _log.warning("Assent does not take what the step %s says: %s", step, error)


def remembered_status(course: RunContext, step: str) -> Flow[str]:
    """started, done or failed, as this machine remembers a step; empty where it does not."""
    step_document = yield from on_disk(lambda: course.core.journal.read(_STEPS, _name(course, step)))
    return str(step_document["told"]["status"]) if step_document else ""


def _send(course: RunContext, document: Args) -> Flow[None]:
    yield from course.core.post(f"{course.path}/steps", document["told"])
    name = _name(course, document["step"])
    yield from on_disk(lambda: course.core.journal.put(_STEPS, name, {**document, "sent": True}))


def _catch_up(course: RunContext) -> Flow[None]:
    """Tell the steps that could not be told when they happened."""
    journal = course.core.journal
    for document in (yield from on_disk(lambda: list(journal.documents(_STEPS)))):
        if document["run"] == course.key and not document["sent"]:
            try:
                yield from _send(course, document)
            except BadRequest as error:
                _log.warning("Assent does not take what the step %s says: %s", document["step"], error)


def _name(course: RunContext, step: str) -> str:
    return f"{course.key}\n{step}"


def state(course: RunContext) -> Flow[Object]:
    """The run as Assent knows it; empty where it knows none of it yet."""
    try:
        return (yield from course.core.get(course.path)).json()
    except BadRequest as error:
        if error.status == 404:
            return {}
        raise


def guidance(course: RunContext) -> Flow[tuple[Guidance, ...]]:
    """What reviewers told the run since this was last asked."""
    after = {"after": course.heard} if course.heard else {}
    try:
        document = (yield from course.core.get(f"{course.path}/guidance", after)).json()
    except BadRequest as error:
        if error.status == 404:
            return ()
        raise
    new_guidance = tuple(
        Guidance(str(entry.get("id")), str(entry.get("text")), str(entry.get("from")), str(entry.get("given_at")))
        for entry in objects(document.get("guidance"))
    )
    if new_guidance:
        course.heard = new_guidance[-1].id
    return new_guidance


def end(course: RunContext) -> Flow[None]:
    """Say that the run is over, so that people review what went ahead in it. Without it they do so some time later."""
    try:
        yield from _catch_up(course)
        yield from course.core.post(f"{course.path}/end", {})
    except Unavailable as outage:
        _log.warning("That the run %s is over could not be told: %s", course.key, outage)
    except BadRequest as error:
        if error.status != 404:  # it asked nothing and did nothing
            _log.warning("Assent does not take that the run %s is over: %s", course.key, error)


# --- Undoing


def roll_back(course: RunContext, which: str = "compensate") -> Flow[Rollback]:
    """Undo what the run did, newest first, with the arguments as approved. One that stays stuck stops no other.

    `which` "to_undo": only what people asked to be undone. Raises Unavailable when Assent cannot say what is to be
    undone.
    """
    yield from _catch_up(course)
    undone: list[str] = []
    stuck: dict[str, str] = {}
    for undo_entry in objects((yield from state(course)).get(which)):
        step, undo = str(undo_entry.get("step", "")), undo_entry.get("undo")
        try:
            why = yield from _undo(course, step, undo if isinstance(undo, Mapping) else {})
        except BrokenJournal as error:  # nobody knows whether this one was undone before
            why = yield from _stuck(course, step, str(error))
        if why:
            stuck[step] = why
        else:
            undone.append(step)
    return Rollback(tuple(undone), stuck)


def _undo(course: RunContext, step: str, undo: Object) -> Flow[str]:
    """Undo one step and report it; why it is stuck, or nothing."""
    journal, name = course.core.journal, _name(course, step)
    begun = yield from on_disk(lambda: journal.read(_UNDOS, name))
    if begun and begun["state"] == "undone":
        yield from _report(course, step, "succeeded", "")
        return ""
    known_here, args = course.undo_of(step), course.real.get(step, undo.get("args"))
    if known_here is None:
        return (yield from _stuck(course, step, f"This process knows no undo of the step {step!r}."))
    if first_placeholder(args):
        return (yield from _stuck(course, step, "Its arguments were redacted, and the values went with the process."))
    if begun and begun["state"] == "undoing" and not known_here.repeatable:
        return (yield from _stuck(course, step, _NOBODY_KNOWS))
    why = ""
    for attempt in range(TRIES):
        if attempt:
            yield from pause(_FIRST * 2 ** (attempt - 1))
        yield from on_disk(lambda: journal.put(_UNDOS, name, {"state": "undoing"}))
        try:
            made = yield from invoke(lambda: known_here.function(**(args if isinstance(args, Mapping) else {})))
            must_have_run(made)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"[:500]
            yield from on_disk(lambda: journal.put(_UNDOS, name, {"state": "failed"}))
            yield from _report(course, step, "failed", why)
        else:
            yield from on_disk(lambda: journal.put(_UNDOS, name, {"state": "undone"}))
            yield from _report(course, step, "succeeded", "")
            return ""
    return why


def _stuck(course: RunContext, step: str, why: str) -> Flow[str]:
    yield from _report(course, step, "failed", why)
    return why


def _report(course: RunContext, step: str, result: str, detail: str) -> Flow[None]:
    report: dict[str, Json] = {"result": result, "detail": detail}
    yield from course.core.post(f"{course.path}/steps/{quote(step, safe='')}/undo", report)
