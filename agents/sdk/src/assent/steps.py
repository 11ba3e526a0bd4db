"""One step of a run: through the gate if it is an action, recorded with what undoes it, and once only."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from assent import flows, gate, reporting, rollback
from assent.approved_call import ApprovedCall, ProposedCall
from assent.binding import Bound, must_have_run
from assent.core import fingerprint
from assent.digest import plain
from assent.errors import AlreadyRan, AssentError, Denied, FailedInside, RefusedByPolicy, Unconfirmed
from assent.rollback import RunContext, Undo
from assent.shapes import Args, GuardOptions, Json, Object, StepGuardOptions
from assent.wire import Flow

_log = logging.getLogger("assent")


@dataclass(frozen=True, slots=True)
class StepDeclaration:
    """What a step is to be. Without `action` nobody is asked: it is recorded only."""

    course: RunContext
    name: str
    action: str | None
    args: Mapping[str, Json]
    undo: Undo | None
    undo_args: Object | None
    repeatable: bool
    guarding: StepGuardOptions
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
    declaration: StepDeclaration = field(repr=False)
    go: ApprovedCall | None = field(repr=False, default=None)
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


def begin(declaration: StepDeclaration) -> Flow[Step]:
    """Ask and use the permit if it is an action, then record that it starts. Raises every error of this package;
    a person's no rolls the run back first."""
    course, mark = declaration.course, f"step {declaration.name}"
    course.core.take(declaration.same)
    number, go = 0, None
    try:
        number, step = yield from _occurrence(declaration, mark)
        if declaration.undo:
            course.undos[step] = declaration.undo
        if declaration.action is None:
            yield from _check_first_time(declaration, step)
        else:
            guarding = cast(GuardOptions, {**declaration.guarding, "step": step})
            if declaration.undo is not None:  # with it Assent may let the step go on before its review
                guarding.setdefault("undo", _undo_of(declaration.undo, declaration.undo_args))
            proposed_call = ProposedCall.by(
                course.core,
                declaration.action,
                declaration.args,
                course.key,
                guarding,
                scope=course.scope,
                function=declaration.function,
            )
            go = yield from _entered(course, step, proposed_call)
        under_way = Step(step, dict(declaration.args) if go is None else go.args, declaration, go, number)
        under_way.undo_args = yield from _undo_args(under_way)
        yield from rollback.record_step(course, step, _step_report(under_way, "started"))
    except BaseException as error:
        course.life.end(mark, number, finished=isinstance(error, Denied | AlreadyRan))
        course.core.give_back(declaration.same)
        if isinstance(error, Denied):
            yield from on_denial(course, error)
        if go is not None:  # the permit was used, and nothing ran by it
            yield from reporting.report_error(go, error)
        raise
    return under_way


def _occurrence(declaration: StepDeclaration, mark: str) -> Flow[tuple[int, str]]:
    """The number and the id of a step: a second "count" in one life, or one after a failure, is "count#2"."""
    course = declaration.course
    while True:
        number, finished = course.life.begin(mark), False
        step = declaration.name if number == 1 else f"{declaration.name}#{number}"
        if declaration.action is not None:
            return number, step
        try:
            finished = (yield from rollback.remembered_status(course, step)) == "failed"
        except BaseException:
            course.life.end(mark, number, finished=False)
            raise
        if not finished:
            return number, step
        course.life.end(mark, number, finished=True)


def _undo_of(undo: Undo, args: Object | None) -> Args:
    """What undoes a step, as far as it is known beforehand; without arguments it is given those of the action."""
    undo_document: Args = {"name": _name_of(undo.function)}
    return undo_document if args is None else {**undo_document, "args": dict(args)}


def _entered(course: RunContext, step: str, proposed_call: ProposedCall) -> Flow[ApprovedCall]:
    """Through the gate. What nobody could tell of the permit, the step's own end may: it ran."""
    try:
        return (yield from gate.enter(proposed_call))
    except Unconfirmed as unknown:
        if not unknown.request or (yield from rollback.remembered_status(course, step)) != "done":
            raise
        item = proposed_call.guarding.get("id", flows.ITEM_ID)
        yield from flows.outcome(course.core, unknown.request, "succeeded", item=item)
        text = f"An earlier life of this run did the step {step!r}."
        raise AlreadyRan(text, request=unknown.request, outcome="succeeded") from unknown


def _undo_args(step: Step) -> Flow[Args]:
    """What the undo is given: the approved arguments, of which redacted values do not leave this process."""
    declaration, course = step.declaration, step.declaration.course
    if declaration.undo_args is not None:
        return dict(declaration.undo_args)
    if declaration.guarding.get("redact"):
        course.real[step.id] = dict(step.args)
        shown = _shown(step)
        return dict(shown) if isinstance(shown, Mapping) else {}
    yield from ()
    return dict(step.args)


def end(step: Step, error: BaseException | None) -> Flow[None]:
    """Record how it ended. Interrupted it stays the step that is meant. Raises FailedInside, and TypeError for a
    result that has not run yet."""
    course = step.declaration.course
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
        course.life.end(f"step {step.declaration.name}", step.number, finished=finished)
        course.core.give_back(step.declaration.same)
    if step.go is not None:
        step.go.result = step.result
        yield from reporting.leave(step.go, error)


def _ended(step: Step, status: str) -> Flow[None]:
    try:
        yield from rollback.record_step(step.declaration.course, step.id, _step_report(step, status))
    except AssentError as untold:  # an error of this package would say that nothing ran
        _log.warning("The step %s is %s, and could not be told: %s", step.id, status, untold)


def result_of(ran: AlreadyRan, declaration: StepDeclaration) -> Json:
    """What an earlier life's step returned, as JSON carried it; raises that it ran where this is not known."""
    if ran.outcome == "succeeded" and (ran.kept or declaration.action is None):
        return ran.result
    raise ran


def denial_in(error: BaseException | None) -> Denied | None:
    """The no that an error is, or that ended an action from inside."""
    inner = error.error if isinstance(error, FailedInside) else error
    return inner if isinstance(inner, Denied) else None


def on_denial(course: RunContext, no: Denied) -> Flow[None]:
    """Roll the run back after a person's no. What policy refuses may be proposed otherwise, and undoes nothing."""
    if isinstance(no, RefusedByPolicy) or no.rolled_back is not None or not _ends_run(no):
        return
    try:
        no.rolled_back = yield from rollback.roll_back(course)
    except AssentError as error:
        no.add_note(f"The run could not be rolled back yet: {error}")


def _ends_run(no: Denied) -> bool:
    return no.item.verdict == "reject"


def _check_first_time(declaration: StepDeclaration, step: str) -> Flow[None]:
    """Raises AlreadyRan, or Unconfirmed for a step that began in an earlier life and never ended."""
    status = yield from rollback.remembered_status(declaration.course, step)
    if status == "done":
        text = f"An earlier life of this run did the step {step!r}."
        raise AlreadyRan(text, request="", outcome="succeeded")
    if status == "started" and not declaration.repeatable:
        text = f"The step {step!r} began in an earlier life of this run, and nobody knows whether it ended."
        raise Unconfirmed(text, request="")


def _step_report(step: Step, status: str) -> Args:
    declaration = step.declaration
    report: Args = {"status": status}
    if declaration.course.name:
        report["run_name"] = declaration.course.name
    if step.go is not None:
        item = step.go.entry.body["items"][0]
        report["action"] = {"name": step.go.action, "args": _shown(step)}
        report["context"] = item.get("context", {})
        if step.go.request:
            report |= {"request": step.go.request, "item": step.go.entry.item}
    elif declaration.args:
        report["action"] = {"name": declaration.name[:80], "args": dict(declaration.args)}
    if declaration.undo is not None:
        report["undo"] = {"name": _name_of(declaration.undo.function), "args": step.undo_args}
    return report


def _shown(step: Step) -> Json:
    """The approved arguments as the server knows them: redacted fields stay digests."""
    item = step.go.item if step.go else None
    return item.args if item is not None else dict(step.args)


def _name_of(function: Callable[..., object]) -> str:
    return str(getattr(function, "__name__", type(function).__name__))[:80]
