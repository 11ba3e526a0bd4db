"""A call that was cancelled or timed out is tried again: nobody knows whether it ran, so it does not run again."""

import asyncio
import concurrent.futures
import threading

import httpx
import pytest

from assent.errors import Busy, Unconfirmed

REFUND = {"order": "456", "amount": "420.00", "currency": "EUR"}


class SoftTimeLimitExceeded(Exception):
    """As Celery's: an Exception, and no TimeoutError."""


class Cancelled(BaseException):
    """As Trio's."""


INTERRUPTIONS = [
    KeyboardInterrupt(),
    SystemExit(1),
    GeneratorExit(),
    asyncio.CancelledError(),
    concurrent.futures.CancelledError(),
    TimeoutError("too slow"),
    httpx.ReadTimeout("too slow"),
    SoftTimeLimitExceeded(),
    Cancelled(),
    BaseExceptionGroup("several", [KeyboardInterrupt()]),
    ExceptionGroup("several", [ValueError(), TimeoutError()]),
]


def paying(ledger, error):
    def pay(order, amount, currency):
        ledger.append(amount)
        raise error

    return pay


def retried(call, ledger, error):
    """As a loop of retries does it: three times, whatever happens."""
    errors = []
    for _ in range(3):
        try:
            call()
        except BaseException as raised:  # the interruption itself, and what the next tries say
            errors.append(type(raised))
    assert errors == [type(error), Unconfirmed, Unconfirmed]
    assert ledger == ["420.00"]


@pytest.mark.parametrize("error", INTERRUPTIONS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("how", ["call", "decorator", "guard", "run.call", "run.do", "run.step"])
def test_an_interrupted_call_is_not_run_again(fake, client, how, error):
    fake.pass_by_policy()
    ledger = []
    pay = paying(ledger, error)
    run = client.run("r")
    refund = client.requires_approval("refund", run="r")(pay)

    def guarded(guard):
        with guard as go:
            pay(**go.args)

    ways = {
        "call": lambda: client.call("refund", REFUND, pay, run="r"),
        "decorator": lambda: refund(**REFUND),
        "guard": lambda: guarded(client.guard("refund", REFUND, run="r")),
        "run.call": lambda: run.call("refund", REFUND, pay),
        "run.do": lambda: run.do("pay", pay, action="refund", args=REFUND),
        "run.step": lambda: guarded(run.step("pay", action="refund", args=REFUND)),
    }

    retried(ways[how], ledger, error)

    assert fake.reported == []
    fake.assert_asked("refund", times=1)
    fake.assert_ran("refund", times=1)


@pytest.mark.parametrize("error", INTERRUPTIONS, ids=lambda error: type(error).__name__)
def test_outside_of_a_run_it_is_not_run_again_either(fake, client, error):
    fake.pass_by_policy()
    ledger = []

    retried(lambda: client.call("refund", REFUND, paying(ledger, error)), ledger, error)


def test_a_named_key_is_not_run_again_either(fake, client):
    fake.pass_by_policy()
    ledger = []

    retried(lambda: client.call("refund", REFUND, paying(ledger, TimeoutError()), key="k"), ledger, TimeoutError())


@pytest.mark.parametrize("how", ["call", "decorator", "guard", "run.do", "run.step"])
async def test_a_coroutine_that_is_timed_out_is_not_run_again(fake, aclient, how):
    fake.pass_by_policy()
    ledger = []

    async def pay(order, amount, currency):
        ledger.append(amount)
        await asyncio.Event().wait()

    refund = aclient.requires_approval("refund", run="r")(pay)
    run = aclient.run("r")

    async def guarded(guard):
        async with guard as go:
            await pay(**go.args)

    ways = {
        "call": lambda: aclient.call("refund", REFUND, pay, run="r"),
        "decorator": lambda: refund(**REFUND),
        "guard": lambda: guarded(aclient.guard("refund", REFUND, run="r")),
        "run.do": lambda: run.do("pay", pay, action="refund", args=REFUND),
        "run.step": lambda: guarded(run.step("pay", action="refund", args=REFUND)),
    }

    trying = asyncio.ensure_future(ways[how]())
    while not ledger:
        await asyncio.sleep(0.01)
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    for _ in range(2):
        with pytest.raises(Unconfirmed):
            await ways[how]()

    assert ledger == ["420.00"]
    assert fake.reported == []


async def test_of_several_the_cancelled_ones_are_unconfirmed_and_the_others_are_known(fake, aclient):
    fake.pass_by_policy()
    ledger, stuck = [], asyncio.Event()

    @aclient.requires_approval("refund", run="r")
    async def refund(order):
        ledger.append(order)
        if order != "1":
            await stuck.wait()
        return order

    several = [asyncio.ensure_future(refund(str(number))) for number in (1, 2, 3)]
    await several[0]
    while len(ledger) < 3:
        await asyncio.sleep(0.01)
    for task in several[1:]:
        task.cancel()
    await asyncio.wait(several)

    assert [task.cancelled() for task in several] == [False, True, True]
    assert [type(await _outcome(refund(str(number)))) for number in (2, 3)] == [Unconfirmed, Unconfirmed]
    assert sorted(ledger) == ["1", "2", "3"]


async def _outcome(call):
    try:
        return await call
    except Exception as error:
        return error


@pytest.mark.parametrize("where", ["keep", "report"])
async def test_one_that_is_cancelled_after_it_ran_hands_its_result_to_the_next_try(fake, aclient, monkeypatch, where):
    """Between the action's end and the report's, it ran: the next try is given what it returned."""
    fake.pass_by_policy()
    ledger, reached, blocked = [], threading.Event(), threading.Event()
    write, call = aclient._core.journal.write, aclient._hands._call

    def writing(entry):
        if where == "keep" and entry.state == "ran" and not reached.is_set():
            reached.set()
            blocked.wait(5)
        return write(entry)

    async def calling(sent):
        if where == "report" and sent.path.endswith("/outcome") and not reached.is_set():
            reached.set()
            await asyncio.Event().wait()
        return await call(sent)

    monkeypatch.setattr(aclient._core.journal, "write", writing)
    monkeypatch.setattr(aclient._hands, "_call", calling)

    async def pay(order, amount, currency):
        ledger.append(amount)
        return f"paid {amount}"

    trying = asyncio.ensure_future(aclient.call("refund", REFUND, pay, run="r"))
    while not reached.is_set():
        await asyncio.sleep(0.01)
    trying.cancel()
    await asyncio.sleep(0)
    blocked.set()
    with pytest.raises(asyncio.CancelledError):
        await trying

    assert await aclient.call("refund", REFUND, pay, run="r") == "paid 420.00"
    assert ledger == ["420.00"]
    fake.assert_reported("succeeded")


@pytest.mark.parametrize("call", ["submit", "decision", "consume"])
async def test_one_that_is_cancelled_before_it_ran_goes_on_where_it_was(fake, aclient, monkeypatch, call):
    fake.pass_by_policy() if call != "decision" else fake.hold()
    carried, ledger, reached = aclient._hands._call, [], []

    async def calling(sent):
        answer = await carried(sent)
        if not reached and sent.path.rpartition("/")[2] == {"submit": "requests"}.get(call, call):
            reached.append(sent)
            await asyncio.Event().wait()
        return answer

    monkeypatch.setattr(aclient._hands, "_call", calling)

    async def pay(order, amount, currency):
        ledger.append(amount)

    trying = asyncio.ensure_future(aclient.call("refund", REFUND, pay, run="r"))
    while not reached:
        await asyncio.sleep(0.01)
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    fake.approve()

    await aclient.call("refund", REFUND, pay, run="r")

    assert ledger == ["420.00"]
    fake.assert_asked("refund", times=1)
    fake.assert_ran("refund", times=1)


def test_a_call_whose_thread_was_given_up_is_still_at_work(fake, client):
    """The caller gave up waiting; the thread did not. A second try is not a second payment."""
    fake.pass_by_policy()
    ledger, paying_now, go_on = [], threading.Event(), threading.Event()

    @client.requires_approval("refund", run="r")
    def refund(order):
        ledger.append(order)
        paying_now.set()
        go_on.wait(10)

    thread = threading.Thread(target=refund, args=("456",))
    thread.start()
    paying_now.wait(10)

    with pytest.raises(Busy, match="at work"):
        refund("456")
    go_on.set()
    thread.join()

    assert ledger == ["456"]


def test_the_same_step_at_once_is_busy_and_another_one_is_not(fake, client):
    fake.pass_by_policy()
    run = client.run("r")
    with run.step("pay", action="refund", args=REFUND):
        with pytest.raises(Busy), client.run("r").step("pay", action="refund", args=REFUND):
            raise AssertionError("this must not run")
        with run.step("pay", action="refund", args={**REFUND, "order": "457"}) as step:
            assert step.id == "pay#2"


def test_after_an_error_of_its_own_an_action_may_be_asked_for_again(fake, client):
    """It says itself that it failed, and so does the report: the next try is another proposal."""
    fake.approve()
    ledger = []
    for _ in range(2):
        with pytest.raises(ConnectionError):
            client.call("refund", REFUND, paying(ledger, ConnectionError("refused")), run="r")

    fake.assert_asked("refund", times=2)
    assert [report.result for report in fake.reported] == ["failed", "failed"]


def test_a_step_that_asks_nobody_is_not_run_again_after_an_interruption(fake, client):
    run, count = client.run("r"), []

    def counted():
        count.append(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.do("count", counted)
    with pytest.raises(Unconfirmed):
        run.do("count", counted)
    assert count == [1]


def test_a_submission_whose_answer_was_lost_is_found_by_the_next_try(fake, client):
    fake.hold()
    with fake.loses_answer("submit", times=None), pytest.raises(Exception, match="lost"):
        client.submit("refund", REFUND, run="r")

    client.submit("refund", REFUND, run="r")
    client.submit("refund", REFUND, run="r")  # meant twice

    fake.assert_asked("refund", times=2)
