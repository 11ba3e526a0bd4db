"""What an editor shows of this package explains itself: every public class, function, method, property and argument."""

import inspect
import re
from collections.abc import Iterator

import pytest

import assent
from assent.aio import guards as aio_guards
from assent.aio import runs as aio_runs
from assent.approved_call import ApprovedCall
from assent.steps import Step
from assent.sync import guards, runs

# Not exported by name, and in everybody's hands.
RETURNED = (
    *(guards.Guard, aio_guards.AsyncGuard, runs.Run, runs.StepGuard, aio_runs.AsyncRun, aio_runs.AsyncStepGuard),
    *(ApprovedCall, Step),
)


def shown() -> Iterator[tuple[str, object]]:
    for name in assent.__all__:
        yield name, getattr(assent, name)
    for kind in RETURNED:
        yield kind.__name__, kind


def members(kind: type) -> Iterator[tuple[str, object]]:
    """Its public methods and properties, those that it inherits from this package too."""
    for name, member in inspect.getmembers(kind):
        own = any(name in vars(base) for base in kind.__mro__ if base.__module__.startswith("assent"))
        if own and not name.startswith("_") and (inspect.isroutine(member) or isinstance(member, property)):
            yield f"{kind.__name__}.{name}", member


def everything() -> dict[str, object]:
    by_name: dict[str, object] = {}
    for name, thing in shown():
        by_name[name] = thing
        if inspect.isclass(thing):
            by_name |= dict(members(thing))
    return by_name


EVERYTHING = everything()


@pytest.mark.parametrize("name", EVERYTHING)
def test_it_says_what_it_is(name):
    assert inspect.getdoc(EVERYTHING[name]), name


@pytest.mark.parametrize("name", [name for name, thing in EVERYTHING.items() if inspect.isroutine(thing)])
def test_every_argument_is_spoken_of(name):
    function = EVERYTHING[name]
    text = inspect.getdoc(function) or ""
    arguments = [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name not in ("self", "cls") and parameter.kind is not parameter.VAR_KEYWORD
    ]
    assert [argument for argument in arguments if not re.search(rf"\b{argument}\b", text)] == []
