"""The command line against a running console: an agent asks, a person decides, both from a shell."""

import json
import threading

import pytest
from assent.cli import main
from django.db import connection

from agents import keys
from approvals.models import Approval, Consumption

REFUND = '{"order": "456", "amount": 420, "currency": "EUR"}'

pytestmark = pytest.mark.slow


@pytest.fixture
def shell(web, key, alice, tmp_path, monkeypatch, capsys):
    """Run a command as robot and as alice: shell("submit", …) → what it printed; `code` is the exit code expected."""
    token = keys.issue(user=alice, name="cli")[1]
    for name, value in {"URL": web.url, "KEY": key, "TOKEN": token, "STATE": str(tmp_path / "state")}.items():
        monkeypatch.setenv(f"ASSENT_{name}", value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def command(*arguments: str, code: int = 0) -> str:
        ended = main(arguments)
        captured = capsys.readouterr()
        assert ended == code, captured
        return captured.out + captured.err

    return command


def run_json(shell, *arguments: str, code: int = 0) -> dict:
    return json.loads(shell(*arguments, "--json", code=code))


def seen(card: dict) -> list[str]:
    return ["--revision", str(card["revision"]), "--round", str(card["round"]), "--digest", card["digest"]]


def test_an_agent_asks_a_person_decides_and_the_permit_proves_it(shell):
    request = run_json(shell, "submit", "refund", REFUND, "--summary", "A cup broke.", "--run", "case-7")
    shell("wait", request["id"], "--timeout", "0", code=3)

    assert "refund 420 EUR to order 456" in shell("inbox")
    [row] = run_json(shell, "inbox")["approvals"]
    card = shell("inbox", row["id"])
    assert 'the agent\'s summary (not verified): "A cup broke."' in card
    assert f"assent decide {row['id']} approve --revision 1 --round 1 --digest {row['digest']}" in card
    changed = '{"order": "456", "amount": 200, "currency": "EUR"}'
    edits = '[{"op": "replace", "path": "/amount", "value": 200}]'
    output = shell("decide", row["id"], "modify", *seen(row), "--edits", edits, "--message", "goodwill limit")
    assert "modify" in output

    decision = run_json(shell, "wait", request["id"])
    assert (decision["items"][0]["verdict"], decision["items"][0]["action"]["args"]["amount"]) == ("modify", 200)
    permit = decision["items"][0]["permit"]
    valid = shell("verify", permit, "--args", changed, "--agent", "robot", "--action", "refund")
    assert valid.startswith("valid: form, signature, time, agent, action, arguments")
    assert run_json(shell, "verify", permit, "--args", REFUND, code=1)["reason"] == "digest"
    assert run_json(shell, "verify", permit[:-8] + "AAAAAAAA", code=1)["reason"] == "signature"
    assert not Consumption.objects.exists()  # looking is not using


def test_a_verdict_counts_only_for_what_was_read(shell):
    run_json(shell, "submit", "refund", REFUND)
    [row] = run_json(shell, "inbox")["approvals"]

    stale = run_json(shell, "decide", row["id"], "approve", *seen({**row, "digest": "sha256:" + "0" * 64}), code=5)
    assert (stale["status"], stale["code"]) == (409, "out_of_date")
    assert Approval.objects.get().status == "pending"

    shell("decide", row["id"], "reject", *seen(row), "--message", "not this customer")
    late = shell("decide", row["id"], "approve", *seen(row), code=5)
    assert "BadRequest" in late
    assert "not this customer" in shell("wait", str(Approval.objects.get().request_id), code=1)


def test_nobody_decides_with_an_agents_key(shell, key, monkeypatch):
    run_json(shell, "submit", "refund", REFUND)
    [row] = run_json(shell, "inbox")["approvals"]
    monkeypatch.setenv("ASSENT_TOKEN", key)

    assert run_json(shell, "decide", row["id"], "approve", *seen(row), code=5)["code"] == "people_only"
    assert Approval.objects.get().status == "pending"


def test_submit_waits_while_somebody_decides(shell, settle):
    def alice_decides() -> None:
        settle()
        connection.close()  # of this thread; nobody else would

    person = threading.Thread(target=alice_decides)
    person.start()
    output = shell("submit", "refund", REFUND, "--wait")
    person.join()
    assert "1: approve by Alice" in output


def test_the_feed_goes_on_where_it_was_left(shell, web, tmp_path):
    web.clock()
    run_json(shell, "submit", "refund", REFUND)
    [row] = run_json(shell, "inbox")["approvals"]
    shell("decide", row["id"], "approve", *seen(row))
    resume_file = str(tmp_path / "last")

    first = run_json(shell, "tail", "--after", "0", "--resume", resume_file, "--count", "1")
    second = run_json(shell, "tail", "--resume", resume_file, "--count", "1")

    assert (first["event"], second["event"]) == ("submitted", "released")
    assert int(first["id"]) < int(second["id"])
    assert second["data"]["verdict"] == "approve"


def test_the_doctor_finds_everything_well_and_says_what_is_not(shell, monkeypatch):
    well = run_json(shell, "doctor")
    assert [one for one in well["findings"] if one["state"] != "ok"] == []
    assert {one["name"] for one in well["findings"]} == {
        "versions", "state", "address", "jwks", "server", "key", "scopes", "clock", "token",
    }  # fmt: skip
    assert "robot" in shell("doctor")

    monkeypatch.setenv("ASSENT_KEY", "asn_of-somebody-who-has-left")
    assert "✗ key" in shell("doctor", code=1)
