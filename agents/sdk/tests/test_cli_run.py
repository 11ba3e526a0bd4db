"""`assent run`: a command runs by its permit or not at all, and how it ended is reported."""

import json
import sys

import pytest

from assent.cli import main
from assent.testing import FakeGateway

REFUND = '{"order": "456", "amount": "420.00"}'


@pytest.fixture
def fake(monkeypatch, tmp_path):
    fake = FakeGateway()
    monkeypatch.chdir(tmp_path)
    with fake.served() as url:
        for name, value in {"URL": url, "KEY": fake.key, "STATE": str(tmp_path / "state")}.items():
            monkeypatch.setenv(f"ASSENT_{name}", value)
        yield fake


def test_an_approved_command_runs_and_its_end_is_reported(fake, capfd, tmp_path):
    fake.approve()
    assert main(["run", "--summary", "Say hello", "--", sys.executable, "-c", "print('hello')"]) == 0
    assert capfd.readouterr().out == "hello\n"
    command = [sys.executable, "-c", "print('hello')"]
    item = fake.assert_asked("run_command", command=command, directory=str(tmp_path))
    assert item.summary == "Say hello"
    fake.assert_reported("succeeded")


def test_what_a_reviewer_made_of_it_is_what_runs(fake, capfd):
    fake.modify("run_command", {"command": [sys.executable, "-c", "print('goodbye')"]})
    assert main(["run", "--", sys.executable, "-c", "print('hello')"]) == 0
    assert capfd.readouterr().out == "goodbye\n"


@pytest.mark.parametrize(
    ("code", "script"), [(3, "raise SystemExit(3)"), (137, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")]
)
def test_a_command_that_fails_is_reported_as_failed_and_its_code_is_ours(fake, code, script):
    fake.approve()
    assert main(["run", "--", sys.executable, "-c", script]) == code
    fake.assert_reported("failed")


def test_one_that_does_not_start_is_reported_as_failed(fake, capsys):
    fake.approve()
    assert main(["run", "--", "./there-is-none"]) == 127
    assert "there-is-none" in capsys.readouterr().err
    fake.assert_reported("failed")


def test_a_rejected_command_does_not_run(fake, capfd):
    fake.reject("not on a Friday")
    assert main(["run", "--", sys.executable, "-c", "print('hello')"]) == 1
    output = capfd.readouterr()
    assert output.out == "" and "not on a Friday" in output.err


def test_with_arguments_people_approve_those_and_see_the_command(fake, capfd):
    fake.approve()
    assert main(["run", "--action", "refund", "--args", REFUND, "--", sys.executable, "-c", "print('paid')"]) == 0
    item = fake.assert_asked("refund", amount="420.00")
    assert item.sent["allowed"] == ["approve", "reject"]
    assert item.context["command"] == [sys.executable, "-c", "print('paid')"]
    assert capfd.readouterr().out == "paid\n"


def test_the_same_run_twice_runs_once(fake, capfd):
    fake.approve()
    for _ in range(2):
        assert main(["run", "--key", "deploy-7", "--", sys.executable, "-c", "print('deployed')"]) == 0
    assert capfd.readouterr().out == "deployed\n"
    fake.assert_ran("run_command", times=1)


def test_a_permit_is_used_before_its_decision_is_printed(fake, capsys):
    fake.modify("refund", {"amount": "200.00"})
    assert main(["submit", "refund", REFUND, "--wait", "--consume", "--json"]) == 0
    decision = json.loads(capsys.readouterr().out)
    fake.assert_ran("refund", amount="200.00")
    assert main(["outcome", decision["request"], "succeeded", "--detail", "paid"]) == 0
    fake.assert_reported("succeeded")


def test_using_a_permit_means_waiting_for_it(fake, capsys):
    assert main(["submit", "refund", REFUND, "--consume"]) == 6
    assert "--wait" in capsys.readouterr().err
    fake.assert_not_asked()
