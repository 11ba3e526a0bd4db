"""The command line, on a fake gateway behind a real port: what it prints, and with which code it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from assent.cli import main
from assent.testing import FakeGateway

REFUND = '{"order": "456", "amount": "420.00"}'
SOURCE = Path(__file__).resolve().parents[1] / "src"


@pytest.fixture
def fake(monkeypatch, tmp_path):
    fake = FakeGateway()
    with fake.served() as url:
        for name, value in {"URL": url, "KEY": fake.key, "STATE": str(tmp_path / "state")}.items():
            monkeypatch.setenv(f"ASSENT_{name}", value)
        monkeypatch.delenv("ASSENT_TOKEN", raising=False)
        yield fake


@pytest.fixture
def run(capsys):
    def command(*arguments: str, code: int = 0) -> str:
        assert main(arguments) == code
        output = capsys.readouterr()
        return output.out + output.err

    return command


def run_json(run, *arguments: str, code: int = 0) -> dict:
    return json.loads(run(*arguments, "--json", code=code))


def permit_of(fake) -> str:
    return fake.asked_items[-1].permit


# --- submit, wait


def test_a_proposal_is_sent_and_its_answer_waited_for(fake, run):
    fake.modify("refund", {"amount": "200.00"}, message="goodwill limit")
    output = run("submit", "refund", REFUND, "--summary", "A cup broke.", "--wait")
    assert '1: modify by Test Reviewer\n  refund {"order": "456", "amount": "200.00"}\n  message: goodwill' in output
    assert fake.assert_asked("refund", amount="420.00").summary == "A cup broke."


def test_submit_alone_says_where_it_is_reviewed(fake, run, tmp_path):
    file = tmp_path / "args.json"
    file.write_text(REFUND)
    fake.hold()
    request = run_json(run, "submit", "refund", f"@{file}", "--run", "case-7", "--step", "refund")
    assert request["status"] == "pending" and request["review_url"].startswith("https://")
    assert "still pending" not in run("submit", "refund", REFUND)
    assert "stays open" in run("wait", request["id"], "--timeout", "0.1", code=3)
    fake.approve()
    assert run_json(run, "wait", request["id"])["items"][0]["verdict"] == "approve"


def test_the_same_key_is_the_same_request(fake, run):
    fake.hold()
    first = run_json(run, "submit", "refund", REFUND, "--key", "k")
    assert "(asked before)" in run("submit", "refund", REFUND, "--key", "k")
    assert run_json(run, "submit", "refund", REFUND, "--key", "k")["id"] == first["id"]


def test_each_no_is_told_with_its_own_code(fake, run, monkeypatch):
    fake.reject("too\x1b[31m much", times=1)
    output = run("submit", "refund", REFUND, "--wait", code=1)
    assert "Rejected" in output and "too\\u001b[31m much" in output
    fake.refuse("no refunds on Sundays", times=1)
    assert "no refunds on Sundays" in run("submit", "refund", REFUND, "--wait", code=1)
    fake.expire(times=1)
    assert run_json(run, "submit", "refund", REFUND, "--wait", code=1)["error"] == "Expired"
    refused = run_json(run, "submit", "refund", '{"items": NaN}', "--value", "x", "--key", "k" * 300, code=1)
    assert refused["error"] == "NotSerialisable"
    monkeypatch.setenv("ASSENT_KEY", "asn_other")
    assert run_json(run, "submit", "refund", REFUND, code=5)["status"] == 401
    monkeypatch.delenv("ASSENT_KEY")
    assert "ASSENT_KEY" in run("submit", "refund", REFUND, code=6)


@pytest.mark.parametrize("bad", ["{", "[1]", "@/nowhere/at/all"])
def test_arguments_that_are_no_object_are_told_so(fake, bad, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["submit", "refund", bad])
    assert ended.value.code == 2
    assert "argument args" in capsys.readouterr().err


def test_what_is_wrong_here_is_told_without_a_trace(fake, run, monkeypatch):
    fake.approve()
    run("submit", "refund", REFUND)
    output = run("tail", "--after", "0", "--resume", "/nowhere/at/all", "--count", "1", code=6)
    assert "assent: [Errno 2]" in output and "Traceback" not in output
    monkeypatch.setenv("ASSENT_URL", "http://nowhere:port")
    assert "Traceback" not in run("wait", "some-request", "--timeout", "0.1", code=6)
    assert "mend" in run("doctor", "--json", code=1)


# --- tail


def test_the_feed_goes_on_where_it_was_left(fake, run, tmp_path):
    fake.approve()
    run("submit", "refund", REFUND, "--wait")
    last_id_file = tmp_path / "last"
    first = json.loads(run("tail", "--after", "0", "--resume", str(last_id_file), "--count", "1", "--json"))
    second = json.loads(run("tail", "--resume", str(last_id_file), "--count", "1", "--json"))
    assert (first["id"], second["id"], second["event"]) == ("1", "2", "released")
    assert last_id_file.read_text().strip() == "2"


# --- verify


def test_a_permit_is_checked_online_and_then_offline(fake, run, tmp_path):
    fake.approve()
    run("submit", "refund", REFUND, "--wait")
    permit = tmp_path / "permit"
    permit.write_text(permit_of(fake) + "\n")
    output = run("verify", f"@{permit}", "--args", REFUND, "--agent", "test-agent", "--action", "refund")
    assert output.startswith("valid: form, signature, time, agent, action, arguments\nnot checked: whether it was used")
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps({"keys": [fake.state.signer.published]}))
    with fake.unreachable():
        assert run_json(run, "verify", permit_of(fake), "--jwks", str(keys))["not_checked"] == [
            "agent",
            "action",
            "arguments",
            "use",
        ]
        assert "could not be fetched" in run("verify", permit_of(fake), code=4)
        assert "No keys are kept" in run("verify", permit_of(fake), "--offline", code=4)


@pytest.mark.parametrize(
    ("forgery", "reason"),
    [
        ("malformed", "malformed"),
        ("algorithm", "algorithm"),
        ("kind", "kind"),
        ("unknown_key", "unknown_key"),
        ("signature", "signature"),
        ("expired", "expired"),
        ("digest", "digest"),
        ("audience", "audience"),
    ],
)
def test_a_permit_that_proves_nothing_is_told_why(fake, run, forgery, reason):
    fake.approve()
    fake.forge(forgery)
    run("submit", "refund", REFUND)
    no = run_json(run, "verify", permit_of(fake), "--args", REFUND, "--agent", "test-agent", code=1)
    assert (no["valid"], no["reason"]) == (False, reason)
    assert no["text"]


def test_a_permit_for_something_else_is_told_so(fake, run):
    fake.approve()
    run("submit", "refund", REFUND, "--wait")
    for arguments, reason in (
        (["--args", "{}"], "digest"),
        (["--action", "deploy"], "action"),
        (["--agent", "other"], "audience"),
        (["--revision", "2"], "revision"),
    ):
        assert run_json(run, "verify", permit_of(fake), *arguments, code=1)["reason"] == reason
        assert run_json(run, "verify", permit_of(fake), "--args", REFUND, *arguments, code=1)["reason"] == reason


# --- doctor


def findings(run, code: int) -> dict[str, dict]:
    return {one["name"]: one for one in run_json(run, "doctor", code=code)["findings"]}


def test_the_doctor_says_what_is_well_and_what_mends_the_rest(fake, run, monkeypatch, tmp_path):
    fake.later(60)
    report = findings(run, code=1)
    assert [report[name]["state"] for name in ("state", "address", "jwks", "key", "scopes")] == ["ok"] * 5
    assert report["clock"]["state"] == "mend" and "NTP" in report["clock"]["mend"]
    assert "→" in run("doctor", code=1)
    monkeypatch.setenv("ASSENT_KEY", "asp_mine")
    assert "personal token" in findings(run, code=1)["key"]["text"]
    monkeypatch.setenv("ASSENT_KEY", "asn_other")
    assert "status 401" in findings(run, code=1)["key"]["text"]
    monkeypatch.setenv("ASSENT_URL", "http://127.0.0.1:9")
    assert "out of reach" in findings(run, code=1)["reach"]["text"]
    monkeypatch.setenv("ASSENT_URL", "https://x.example/api/v1")
    assert "has a path" in findings(run, code=1)["address"]["text"]
    monkeypatch.delenv("ASSENT_URL")
    (tmp_path / "file").touch()
    monkeypatch.setenv("ASSENT_STATE", str(tmp_path / "file" / "state"))
    report = findings(run, code=1)
    assert (report["address"]["state"], report["state"]["state"]) == ("mend", "mend")
    assert "ASSENT_STATE" in report["state"]["mend"]


# --- people


def test_deciding_needs_a_token_and_what_was_read(fake, run, capsys):
    assert "ASSENT_TOKEN" in run("inbox", code=6)
    with pytest.raises(SystemExit) as ended:
        main(["decide", "0199", "approve"])
    assert ended.value.code == 2
    assert "--revision, --digest, --round" in capsys.readouterr().err


def test_it_is_a_program_of_its_own(fake):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    help_run = subprocess.run(
        [sys.executable, "-m", "assent", "--help"], env=environment, capture_output=True, text=True
    )
    assert help_run.returncode == 0 and "Exit codes: 0 yes" in help_run.stdout
    fake.approve()
    command = [sys.executable, "-m", "assent", "submit", "refund", "-", "--wait", "--json"]
    submit_run = subprocess.run(command, env=environment, capture_output=True, text=True, input=REFUND)
    assert json.loads(submit_run.stdout)["status"] == "decided", submit_run.stderr
