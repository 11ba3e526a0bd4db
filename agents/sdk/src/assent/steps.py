"""One step of a run: through the gate if it is an action, recorded with what undoes it, and once only."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from assent import flows, gate, reporting, rollback
from assent.asked import Asked, Go
from assent.binding import Bound, must_have_run
from assent.core import fingerprint
from assent.digest import plain
from assent.errors import AlreadyRan, AssentError, Denied, FailedInside, RefusedByPolicy, Unconfirmed
from assent.rollback import Course, Undo
from assent.shapes import Args, Guarding, Json, Object, StepGuarding
from assent.wire import Flow

_log = logging.getLogger("assent")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a step is to be. Without `action` nobody is asked: it is recorded only."""

    course: Course
    name: str
    action: str | None
    args: Mapping[str, Json]
    undo: Undo | None
    undo_args: Object | None
    repeatable: bool
    guarding: StepGuarding
    function: Bound[Any] | None = None  # what will run it, where that is one function

    @property
    def same(self) -> str:
        """A word for exactly this step of this run; two at once would be one step done twice."""
        return f"step {fingerprint(self.course.key, self.name, self.action or '', dict(self.args))}"


@dataclass(slots=True)
class Step:
    """A step under way. `args` are the approved arguments; `undo_with` says what its undo needs besides."""

    id: str
    args: Args
    wanted: Wanted = field(repr=False)
    go: Go | None = field(repr=False, default=None)
    number: int = 1
    result: Json = None
    undo_args: Args = field(default_factory=dict)
    undo_args_given: bool = False

    def undo_with(self, **args: Json) -> None:
        """The arguments of the undo, known only now: a reservation's number. They replace the approved ones.

        Raises NotSerialisable.
        """
        plain(args, "undo_args")
        self.undo_args = dict(args)
        self.undo_args_given = True


def begin(wanted: Wanted) -> Flow[Step]:
    """Ask and use the permit if it is an action, then record that it starts. Raises every error of this package;
    a person's no rolls the run back first."""
    course, mark = wanted.course, f"step {wanted.name}"
    course.core.take(wanted.same)
    number, go = 0, None
    try:
        number, step = yield from _occurrence(wanted, mark)
        if wanted.undo:
            course.undos[step] = wanted.undo
        if wanted.action is None:
            yield from _first_time(wanted, step)
        else:
            guarding = cast(Guarding, {**wanted.guarding, "step": step})
            if wanted.undo is not None:  # with it Assent may let the step go on before its review
                guarding.setdefault("undo", _undo_of(wanted.undo, wanted.undo_args))
            asked = Asked.by(
                course.core,
                wanted.action,
                wanted.args,
                course.key,
                guarding,
                scope=course.scope,
                function=wanted.function,
            )
            go = yield from _entered(course, step, asked)
        under_way = Step(step, dict(wanted.args) if go is None else go.args, wanted, go, number)
        under_way.undo_args = yield from _undo_args(under_way)
        yield from rollback.tell(course, step, _told(under_way, "started"))
    except BaseException as error:
        course.life.end(mark, number, finished=isinstance(error, Denied | AlreadyRan))
        course.core.give_back(wanted.same)
        if isinstance(error, Denied):
            yield from on_no(course, error)
        if go is not None:  # the permit was used, and nothing ran by it
            yield from reporting.say(go, error)
        raise
    return under_way


def _occurrence(wanted: Wanted, mark: str) -> Flow[tuple[int, str]]:
    """The number and the id of a step: a second "count" in one life, or one after a failure, is "count#2"."""
    course = wanted.course
    while True:
        number, finished = course.life.begin(mark), False
        step = wanted.name if number == 1 else f"{wanted.name}#{number}"
        if wanted.action is not None:
            return number, step
        try:
            finished = (yield from rollback.known(course, step)) == "failed"
        except BaseException:
            course.life.end(mark, number, finished=False)
            raise
        if not finished:
            return number, step
        course.life.end(mark, number, finished=True)


def _undo_of(undo: Undo, args: Object | None) -> Args:
    """What undoes a step, as far as it is known beforehand; without arguments it is given those of the action."""
    told: Args = {"name": _name_of(undo.function)}
    return told if args is None else {**told, "args": dict(args)}


def _entered(course: Course, step: str, asked: Asked) -> Flow[Go]:
    """Through the gate. What nobody could tell of the permit, the step's own end may: it ran."""
    try:
        return (yield from gate.enter(asked))
    except Unconfirmed as unknown:
        if not unknown.request or (yield from rollback.known(course, step)) != "done":
            raise
        item = asked.guarding.get("id", flows.ITEM_ID)
        yield from flows.outcome(course.core, unknown.request, "succeeded", item=item)
        text = f"An earlier life of this run did the step {step!r}."
        raise AlreadyRan(text, request=unknown.request, outcome="succeeded") from unknown


def _undo_args(step: Step) -> Flow[Args]:
    """What the undo is given: the approved arguments, of which redacted values do not leave this process."""
    wanted, course = step.wanted, step.wanted.course
    if wanted.undo_args is not None:
        return dict(wanted.undo_args)
    if wanted.guarding.get("redact"):
        course.real[step.id] = dict(step.args)
        shown = _shown(step)
        return dict(shown) if isinstance(shown, Mapping) else {}
    yield from ()
    return dict(step.args)


def end(step: Step, error: BaseException | None) -> Flow[None]:
    """Record how it ended. Interrupted it stays the step that is meant. Raises FailedInside, and TypeError for a
    result that has not run yet."""
    course = step.wanted.course
    finished = False
    if step.undo_args_given:
        course.real.pop(step.id, None)
    try:
        if error is None:
            must_have_run(step.result)
        finished = error is None or not reporting.interrupted(error)
        if finished:
            yield from _ended(step, "failed" if error else "done")
    except BaseException:
        finished = False
        if step.go is not None:
            reporting.let_go(step.go, finished=False)
        raise
    finally:
        course.life.end(f"step {step.wanted.name}", step.number, finished=finished)
        course.core.give_back(step.wanted.same)
    if step.go is not None:
        step.go.result = step.result
        yield from reporting.leave(step.go, error)


def _ended(step: Step, status: str) -> Flow[None]:
    try:
        yield from rollback.tell(step.wanted.course, step.id, _told(step, status))
    except AssentError as untold:  # an error of this package would say that nothing ran
        _log.warning("The step %s is %s, and could not be told: %s", step.id, status, untold)


def result_of(ran: AlreadyRan, wanted: Wanted) -> Json:
    """What an earlier life's step returned, as JSON carried it; raises that it ran where this is not known."""
    if ran.outcome == "succeeded" and (ran.kept or wanted.action is None):
        return ran.result
    raise ran


def no_in(error: BaseException | None) -> Denied | None:
    """The no that an error is, or that ended an action from inside."""
    inner = error.error if isinstance(error, FailedInside) else error
    return inner if isinstance(inner, Denied) else None


def on_no(course: Course, no: Denied) -> Flow[None]:
    """Roll the run back after a person's no. What policy refuses may be proposed otherwise, and undoes nothing."""
    if isinstance(no, RefusedByPolicy) or no.rolled_back is not None or not _ends(no):
        return
    try:
        no.rolled_back = yield from rollback.roll_back(course)
    except AssentError as error:
        no.add_note(f"The run could not be rolled back yet: {error}")


def _ends(no: Denied) -> bool:
    return no.item.verdict == "reject"


def _first_time(wanted: Wanted, step: str) -> Flow[None]:
    """Raises AlreadyRan, or Unconfirmed for a step that began in an earlier life and never ended."""
    status = yield from rollback.known(wanted.course, step)
    if status == "done":
        text = f"An earlier life of this run did the step {step!r}."
        raise AlreadyRan(text, request="", outcome="succeeded")
    if status == "started" and not wanted.repeatable:
        text = f"The step {step!r} began in an earlier life of this run, and nobody knows whether it ended."
        raise Unconfirmed(text, request="")


def _told(step: Step, status: str) -> Args:
    wanted = step.wanted
    told: Args = {"status": status}
    if wanted.course.name:
        told["run_name"] = wanted.course.name
    if step.go is not None:
        item = step.go.entry.body["items"][0]
        told["action"] = {"name": step.go.action, "args": _shown(step)}
        told["context"] = item.get("context", {})
        if step.go.request:
            told |= {"request": step.go.request, "item": step.go.entry.item}
    elif wanted.args:
        told["action"] = {"name": wanted.name[:80], "args": dict(wanted.args)}
    if wanted.undo is not None:
        told["undo"] = {"name": _name_of(wanted.undo.function), "args": step.undo_args}
    return told


def _shown(step: Step) -> Json:
    """The approved arguments as the server knows them: redacted fields stay digests."""
    item = step.go.item if step.go else None
    return item.args if item is not None else dict(step.args)


def _name_of(function: Callable[..., object]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))[:80]
