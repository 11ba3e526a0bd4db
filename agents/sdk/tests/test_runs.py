"""Steps that are recorded, done once, and undone newest first."""

import asyncio

import pytest

from assent import AsyncAssent, rollback
from assent.errors import AlreadyRan, Denied, RefusedByPolicy, Rejected, Unconfirmed


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(rollback, "_FIRST", 0.01)


def booked(client, done, name="order-1"):
    """Reserve and charge were done; shipping is asked for."""
    run = client.run(name, "Order 1")
    run.undo("reserve", lambda sku: done.append(f"release {sku}"))
    with run:
        with run.step(
            "reserve", action="reserve_stock", args={"sku": "A1"}, undo=lambda sku: done.append(f"release {sku}")
        ) as step:
            done.append(f"reserve {step.args['sku']}")
        with run.step("note", undo=lambda page: done.append(f"forget {page}")) as step:
            step.undo_with(page=7)
            done.append("note")
        with run.step("ship", action="ship", args={"to": "Berlin"}) as step:
            done.append(f"ship to {step.args['to']}")


def test_after_a_no_the_steps_are_undone_newest_first_with_the_approved_arguments(fake, client):
    fake.modify("reserve_stock", {"sku": "B2"})
    fake.reject("wrong country", action="ship")
    done = []

    with pytest.raises(Rejected) as no:
        booked(client, done)

    assert done == ["reserve B2", "note", "forget 7", "release B2"]
    assert no.value.rolled_back.undone == ("note", "reserve")
    assert {one["status"] for one in client.run("order-1").state()["steps"]} == {"undone"}


def test_what_policy_refuses_undoes_nothing(fake, client):
    fake.approve("reserve_stock")
    fake.refuse(action="ship")
    done = []

    with pytest.raises(RefusedByPolicy):
        booked(client, done)

    assert done == ["reserve A1", "note"]


def test_an_undo_that_fails_is_tried_again_and_then_left_to_people(fake, client):
    fake.approve()
    tries = []

    def release(sku):
        tries.append(sku)
        raise ConnectionError("the stock is away")

    run = client.run("r")
    undone = []
    with run:
        with run.step("first", undo=lambda: undone.append("first")):
            pass
        with run.step("reserve", action="reserve_stock", args={"sku": "A1"}, undo=release):
            pass
    ended = run.roll_back()

    assert len(tries) == rollback.TRIES
    assert ended.stuck == {"reserve": "ConnectionError: the stock is away"}
    assert ended.undone == ("first",)
    assert undone == ["first"]


def test_after_a_restart_undos_are_found_by_the_name_of_their_step(fake, client, killed):
    fake.approve("reserve_stock")
    fake.hold("ship")
    done = []
    with pytest.raises(Exception, match="Nobody decided"):
        with client.run("r") as run, run.step("reserve", action="reserve_stock", args={"sku": "A1"}, undo=done.append):
            pass
        with run.step("ship", action="ship", args={}, wait_s=0.01):
            raise AssertionError("this must not run")
    fake.reject("no", action="ship")
    run = killed(client).run("r")
    run.undo("reserve", lambda sku: done.append(f"release {sku}"))

    with pytest.raises(AlreadyRan), run.step("reserve", action="reserve_stock", args={"sku": "A1"}):
        raise AssertionError("this must not run")
    with pytest.raises(Rejected), run.step("ship", action="ship", args={}):
        raise AssertionError("this must not run")

    assert done == ["release A1"]


def test_a_step_that_nothing_here_can_undo_is_left_to_people(fake, client, killed):
    fake.approve()
    with client.run("r") as run, run.step("reserve", undo=lambda: None):
        pass

    ended = killed(client).run("r").roll_back()

    assert "knows no undo" in ended.stuck["reserve"]


@pytest.mark.parametrize("repeatable", [False, True])
def test_an_undo_killed_in_the_middle_is_repeated_only_where_that_does_no_harm(fake, client, killed, repeatable):
    tries = []

    def undo():
        tries.append(1)
        if len(tries) == 1:
            raise KeyboardInterrupt

    run = client.run("r")
    with run.step("reserve", undo=undo):
        pass
    with pytest.raises(KeyboardInterrupt):
        run.roll_back()
    run = killed(client).run("r")
    run.undo("reserve", undo, repeatable=repeatable)

    ended = run.roll_back()

    assert len(tries) == (2 if repeatable else 1)
    assert ended.undone == (("reserve",) if repeatable else ())


def test_a_step_of_an_earlier_life_is_not_run_again(fake, client, killed):
    fake.approve()
    count = []
    for life in (client, None):
        run = (life or killed(client)).run("r")
        assert run.do("count", lambda: count.append(1)) is None
        assert run.do("pay", lambda amount: f"paid {amount}", action="refund", args={"amount": "1.00"}) == "paid 1.00"

    assert count == [1]
    fake.assert_ran("refund", times=1)


def test_a_step_that_began_and_never_ended_is_not_run_again(fake, client, killed):
    with pytest.raises(KeyboardInterrupt), client.run("r").step("count"):
        raise KeyboardInterrupt

    with pytest.raises(Unconfirmed, match="nobody knows"), killed(client).run("r").step("count"):
        raise AssertionError("this must not run")
    with killed(client).run("r").step("count", repeatable=True):
        pass


def test_what_is_asked_inside_the_with_belongs_to_the_run(fake, client):
    fake.approve()

    @client.requires_approval("refund")
    def refund(order):
        return order

    with client.run("order-9", "Order 9"):
        refund("9")
    refund("10")

    assert [one.run for one in fake.asked_items] == ["order-9", ""]


def test_a_step_that_could_not_be_told_is_told_before_the_roll_back(fake, client):
    undone = []
    run = client.run("r")
    with fake.unreachable("step"), run.step("reserve", undo=lambda: undone.append(1)):
        pass

    run.roll_back()

    assert undone == [1]


def test_reviewers_speak_to_a_running_agent_once(fake, client):
    fake.approve()
    run = client.run("r")
    with run.step("one"):
        pass
    fake.guide("r", "Be brief.")

    assert [one.text for one in run.guidance()] == ["Be brief."]
    assert run.guidance() == ()


async def test_coroutines_are_undone_by_coroutines(fake, tmp_path):
    fake.approve("reserve_stock")
    fake.reject("no", action="ship")
    done = []

    async def release(sku):
        await asyncio.sleep(0)
        done.append(f"release {sku}")

    async with AsyncAssent(fake.url, fake.key, transport=fake.transport, state=tmp_path, patience=0.3) as client:
        with pytest.raises(Denied):
            async with client.run("r") as run:
                async with run.step("reserve", action="reserve_stock", args={"sku": "A1"}, undo=release):
                    done.append("reserve")
                await run.call("ship", {"to": "Berlin"}, lambda to: done.append(to))

    assert done == ["reserve", "release A1"]


def test_a_run_that_is_left_without_an_error_says_that_it_is_over(fake, client):
    fake.approve()
    with client.run("order-1") as run, run.step("ship", action="ship", args={"to": "Berlin"}):
        pass
    assert client.run("order-1").state()["ended"] is True


def test_a_run_that_is_left_by_an_error_goes_on_later(fake, client):
    fake.approve()
    with pytest.raises(ZeroDivisionError), client.run("order-1") as run:
        with run.step("ship", action="ship", args={"to": "Berlin"}):
            pass
        raise ZeroDivisionError
    assert client.run("order-1").state()["ended"] is False


def test_a_run_in_which_nothing_was_asked_has_no_end_to_tell(fake, client):
    with client.run("order-1"):
        pass
    assert client.run("order-1").state() == {}


def test_a_step_sends_with_its_request_what_undoes_it(fake, client):
    def release(sku):
        """Give it back."""

    fake.approve()
    with client.run("order-1") as run, run.step("a", action="reserve", args={"sku": "A1"}, undo=release):
        pass
    with client.run("order-2") as run, run.step("a", action="reserve", args={"sku": "A1"}, undo=release, undo_args={}):
        pass
    assert [one.sent.get("undo") for one in fake.asked_items] == [{"name": "release"}, {"name": "release", "args": {}}]


def test_only_what_a_reviewer_objected_to_is_undone(fake, client):
    fake.approve()
    done = []
    with client.run("order-1") as run:
        for name in ("one", "two"):
            undo = lambda sku, name=name: done.append(name)  # noqa: E731
            with run.step(name, action="reserve", args={"sku": name}, undo=undo):
                pass
    fake.object_to("order-1", "one")

    assert run.undo_asked().undone == ("one",)
    assert done == ["one"]


def test_a_coroutine_says_the_same(fake, tmp_path):
    async def life():
        async with AsyncAssent(fake.url, fake.key, transport=fake.transport, state=tmp_path) as client:
            run = client.run("order-1")
            async with run, run.step("one", action="reserve", args={"sku": "A"}, undo=lambda sku: None):
                pass
            fake.object_to("order-1", "one")
            return (await run.undo_asked()).undone, (await run.state())["ended"]

    fake.approve()
    assert asyncio.run(life()) == (("one",), True)
