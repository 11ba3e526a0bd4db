"""Errors travel: between processes, through a copy, with everything that they say."""

import concurrent.futures
import copy
import multiprocessing
import pickle

import pytest

import assent
from assent import errors, terminal, webhooks
from assent.shapes import Rollback, Verdict

ITEM = Verdict(
    "1", "decided", "reject", message="too much", stop=True, compensate=({"step": "a"},), document={"a": [1]}
)
MADE = {
    errors.AssentError: lambda: errors.AssentError("text"),
    errors.FailedInside: lambda: errors.FailedInside("text", request="r", error=rejected()),
    errors.Denied: lambda: errors.Denied("text", request="r", item=ITEM),
    errors.Rejected: lambda: rejected(),
    errors.Blocked: lambda: errors.Blocked("text", request="r", item=ITEM, history=[{"reason": "no"}]),
    errors.RefusedByPolicy: lambda: errors.RefusedByPolicy("text", request="r", item=ITEM),
    errors.Expired: lambda: errors.Expired("text", request="r", item=ITEM),
    errors.Cancelled: lambda: errors.Cancelled("text", request="r", item=ITEM),
    errors.Recalled: lambda: errors.Recalled("text", request="r", item=ITEM),
    errors.Skipped: lambda: errors.Skipped("text", request="r", item=ITEM),
    errors.Answered: lambda: errors.Answered("text", request="r", item=ITEM),
    errors.StillPending: lambda: errors.StillPending("text", request="r"),
    errors.Unavailable: lambda: errors.Unavailable("text"),
    errors.PermitRefused: lambda: errors.PermitRefused("text", reason="digest"),
    errors.Busy: lambda: errors.Busy("text"),
    errors.Stopped: lambda: errors.Stopped("text"),
    errors.Unconfirmed: lambda: errors.Unconfirmed("text", request="r"),
    errors.WorldMoved: lambda: errors.WorldMoved("text", returned="r2"),
    errors.AlreadyRan: lambda: errors.AlreadyRan("text", request="r", outcome="succeeded", result={"a": 1}, kept=True),
    errors.BadRequest: lambda: errors.BadRequest(
        {"code": "invalid_request", "detail": "no", "errors": [{"pointer": "/a", "message": "m"}]}, status=422
    ),
    errors.NotConfigured: lambda: errors.NotConfigured("text"),
    errors.BrokenJournal: lambda: errors.BrokenJournal("text", path="/x", why="because"),
    webhooks.BadWebhook: lambda: webhooks.BadWebhook("signature", "text"),
    terminal.NoTerminal: lambda: terminal.NoTerminal("text"),
    errors.NotSerialisable: lambda: errors.NotSerialisable("text", path="args.a"),
}


def rejected():
    error = errors.Rejected("text", request="r", item=ITEM)
    error.rolled_back = Rollback(("a",), {"b": "stuck"})
    error.add_note("a note")
    return error


def subclasses(kind):
    return {kind}.union(*(subclasses(one) for one in kind.__subclasses__()))


def values(error):
    return {name: values(value) if isinstance(value, Exception) else value for name, value in vars(error).items()}


def test_every_error_of_this_package_is_tried():
    own = {kind for kind in subclasses(errors._Portable) if kind.__module__.startswith("assent")}
    assert own - {errors._Portable} == set(MADE)


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, *range(pickle.HIGHEST_PROTOCOL + 1)])
def test_it_comes_back_as_it_went(kind, way):
    error = MADE[kind]()
    again = way(error) if callable(way) else pickle.loads(pickle.dumps(error, way))  # noqa: S301 - its own

    assert type(again) is kind
    assert again.args == error.args
    assert str(again) == str(error)
    assert values(again) == values(error)
    with pytest.raises(kind):
        raise again


def refused():
    raise MADE[errors.BadRequest]()


def test_it_crosses_processes():
    pool = concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))
    with pool, pytest.raises(assent.BadRequest) as raised:
        pool.submit(refused).result()
    assert raised.value.errors == ({"pointer": "/a", "message": "m"},)
