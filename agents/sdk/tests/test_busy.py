"""Of two live processes at work on the same, one runs it and the other hears Busy."""

import subprocess
import sys
import textwrap

import pytest

from assent.errors import AlreadyRan, Busy, StillPending, Unconfirmed

REFUND = {"order": "456", "amount": "420.00", "currency": "EUR"}


@pytest.mark.parametrize("named", [{"run": "r"}, {"key": "k"}, {"run": "r", "step": "s"}])
def test_the_loser_hears_busy_while_the_winner_runs(fake, client, client_of, named):
    fake.approve()
    loser = client_of()

    won, lost = client.guard("refund", REFUND, **named), loser.guard("refund", REFUND, **named)
    with won, pytest.raises(Busy, match="Another process"), lost:
        raise AssertionError("this must not run")

    with pytest.raises(AlreadyRan):
        loser.guard("refund", REFUND, **named).__enter__()
    fake.assert_ran("refund", times=1)


def test_a_step_of_two_processes_too(fake, client, client_of):
    fake.approve()
    won, lost = (each.run("r").step("pay", action="refund", args=REFUND) for each in (client, client_of()))
    with won, pytest.raises(Busy), lost:
        raise AssertionError("this must not run")


def test_who_gave_up_waiting_is_not_at_work(fake, client, client_of):
    fake.hold()
    with pytest.raises(StillPending):
        client.call("refund", REFUND, dict, run="r", wait_s=0.01)
    fake.approve()

    assert client_of().call("refund", REFUND, lambda **args: "paid", run="r") == "paid"
    fake.assert_asked("refund", times=1)


def test_a_process_that_was_killed_is_not_at_work(fake, tmp_path):
    pytest.importorskip("fcntl")
    fake.approve()
    script = textwrap.dedent(
        f"""
        import os, sys, assent
        client = assent.Assent(sys.argv[1], "asn_test", state={str(tmp_path)!r}, agent="test-agent")
        with client.guard("refund", {REFUND!r}, run="r"):
            print("at work", flush=True)
            sys.stdin.read()
        """
    )
    from assent import Assent

    with fake.served() as url:
        process = subprocess.Popen(
            [sys.executable, "-c", script, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": _src()},
        )
        with process, Assent(url, fake.key, state=tmp_path, agent="test-agent") as client:
            assert process.stdout.readline() == "at work\n"
            with pytest.raises(Busy):
                client.call("refund", REFUND, dict, run="r")
            process.kill()
            process.wait()
            with pytest.raises(Unconfirmed):
                client.call("refund", REFUND, dict, run="r")


def _src():
    import assent

    return str(assent.__path__[0]).removesuffix("/assent")


def test_no_file_of_who_was_at_work_stays(fake, client, tmp_path):
    fake.approve()
    for number in range(3):
        client.call("refund", {"n": number}, dict, run="r")
    assert list((tmp_path / "state" / "work").iterdir()) == []
