"""Nothing is said to have succeeded that has not run: generators, coroutines, futures."""

import asyncio
import concurrent.futures
import functools
import itertools

import pytest

from assent import AsyncAssent, rollback

REFUND = {"order": "456", "amount": "420.00", "currency": "EUR"}


@pytest.fixture
async def aclient(fake, tmp_path):
    async with AsyncAssent(fake.url, fake.key, transport=fake.transport, state=tmp_path, patience=0.3) as client:
        yield client


def generator(**args):
    yield "paid"


async def coroutine(**args):
    return "paid"


async def async_generator(**args):
    yield "paid"


class Callable:
    def __call__(self, **args):
        yield "paid"


class AsyncCallable:
    async def __call__(self, **args):
        return "paid"


NEVER = [generator, async_generator, Callable(), functools.partial(generator), functools.partial(Callable())]
COROUTINES = [coroutine, AsyncCallable(), functools.partial(coroutine), functools.partial(AsyncCallable())]


@pytest.mark.parametrize("function", NEVER, ids=repr)
def test_a_generator_function_is_refused_before_anything_is_asked(fake, client, function):
    fake.approve()
    for way in (
        lambda: client.requires_approval("refund")(function),
        lambda: client.asynchronous().requires_approval("refund")(function),
        lambda: client.call("refund", REFUND, function),
        lambda: client.run("r").call("refund", REFUND, function),
        lambda: client.run("r").do("pay", function, action="refund", args=REFUND),
        lambda: client.run("r").do("count", function),
    ):
        with pytest.raises(TypeError, match="generator function"):
            way()
    fake.assert_not_asked()


@pytest.mark.parametrize("function", COROUTINES, ids=repr)
def test_a_coroutine_function_needs_the_asynchronous_client(fake, client, function):
    fake.approve()
    for way in (
        lambda: client.call("refund", REFUND, function),
        lambda: client.run("r").call("refund", REFUND, function),
        lambda: client.run("r").do("pay", function, action="refund", args=REFUND),
    ):
        with pytest.raises(TypeError, match="AsyncAssent"):
            way()
    fake.assert_not_asked()


@pytest.mark.parametrize("function", COROUTINES, ids=repr)
async def test_coroutine_functions_are_awaited_in_every_dress(fake, aclient, function):
    fake.approve()
    assert await aclient.requires_approval("refund")(function)() == "paid"
    assert await aclient.call("refund", REFUND, function) == "paid"
    assert await aclient.run("r").do("pay", function, action="refund", args=REFUND) == "paid"
    assert [report.result for report in fake.reported] == ["succeeded"] * 3


LAZY = {
    "coroutine": lambda: coroutine(),
    "generator": lambda: generator(),
    "async generator": lambda: async_generator(),
    "map": lambda: map(print, [1]),
    "filter": lambda: filter(print, [1]),
    "starmap": lambda: itertools.starmap(print, [(1,)]),
    "in a list": lambda: [1, coroutine()],
    "in an object": lambda: {"paid": (generator(),)},
}


@pytest.mark.parametrize("made", LAZY.values(), ids=LAZY.keys())
def test_a_plain_function_that_returns_what_has_not_begun_did_not_succeed(fake, client, made):
    fake.approve()

    def inside(guard):
        with guard as step:
            step.result = made()

    run = client.run("r")
    for way in (
        lambda: client.call("refund", REFUND, lambda **args: made()),
        lambda: client.requires_approval("refund")(lambda order: made())("1"),
        lambda: inside(client.guard("refund", {"order": "2"})),
        lambda: inside(run.step("one", action="refund", args={"order": "3"})),
        lambda: run.do("two", lambda order: made(), action="refund", args={"order": "4"}),
        lambda: run.do("three", lambda: made()),
    ):
        with pytest.raises(TypeError, match="has not run yet"):
            way()

    assert fake.reported == []
    assert {step["status"] for step in run.state()["steps"]} == {"started"}


async def test_the_asynchronous_client_awaits_what_can_be_awaited_and_refuses_the_rest(fake, aclient):
    fake.approve()
    loop = asyncio.get_running_loop()

    async def lazy():
        return generator()

    assert await aclient.call("refund", REFUND, lambda **args: coroutine()) == "paid"
    assert await aclient.call("refund", REFUND, lambda **args: loop.run_in_executor(None, lambda: "paid")) == "paid"
    with pytest.raises(TypeError, match="has not run yet"):
        await aclient.call("refund", REFUND, lambda **args: lazy())
    with pytest.raises(TypeError, match="has not run yet"):
        await aclient.run("r").do("pay", lambda **args: async_generator(), action="refund", args=REFUND)


def test_a_future_of_threads_is_waited_for(fake, client):
    fake.approve()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        assert client.call("refund", REFUND, lambda **args: pool.submit(lambda: "paid")) == "paid"
        with pytest.raises(ZeroDivisionError):
            client.run("r").do("pay", lambda **args: pool.submit(lambda: 1 / 0), action="refund", args=REFUND)
    assert [report.result for report in fake.reported] == ["succeeded", "failed"]


def test_an_undo_that_has_not_begun_undid_nothing(fake, client, monkeypatch):
    monkeypatch.setattr(rollback, "_FIRST", 0.01)
    run = client.run("r")
    with run.step("reserve", undo=lambda: generator()):
        pass

    ended = run.roll_back()

    assert ended.undone == ()
    assert "has not run yet" in ended.stuck["reserve"]


def test_values_that_look_alike_are_values(fake, client):
    fake.approve()
    with open(__file__) as file:
        for value in (iter([1]), file, range(3), {1: 2}.items(), zip([1], [2], strict=True)):
            client.call("refund", REFUND, lambda value=value, **args: value)
    assert {report.result for report in fake.reported} == {"succeeded"}
