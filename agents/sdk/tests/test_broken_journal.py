"""One file of the journal that cannot be read stops what it is about, and `assent doctor` sets it aside."""

import json

import pytest

from assent import Assent, cli
from assent.errors import BrokenJournal, StillPending

REFUND = {"order": "456", "amount": "420.00", "currency": "EUR"}
OTHER = {**REFUND, "order": "457"}

BROKEN = {
    "cut off": lambda text: text[: len(text) // 2],
    "empty": lambda text: "",
    "a list": lambda text: "[]",
    "nested": lambda text: "[" * 100_000,
    "not utf-8": lambda text: b"\xff\xfe\x00",
    "another field": lambda text: json.dumps({**json.loads(text), "priority": 1}),
    "another state": lambda text: json.dumps({**json.loads(text), "state": "pondering"}),
    "no body": lambda text: json.dumps({**json.loads(text), "body": None}),
    "a number": lambda text: json.dumps({**json.loads(text), "once": 7}),
    "a field less": lambda text: json.dumps(
        {name: value for name, value in json.loads(text).items() if name != "once"}
    ),
}


def spoil(path, how):
    content = BROKEN[how](path.read_text())
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def pending(fake, client, args=REFUND):
    fake.hold()
    with pytest.raises(StillPending):
        client.call("refund", args, dict, run="r", wait_s=0.01)


def journals(tmp_path, kind="actions"):
    return list((tmp_path / "state" / kind).glob("*.json"))


@pytest.mark.parametrize("how", BROKEN)
def test_it_stops_that_action_and_no_other(fake, client, killed, tmp_path, how):
    pending(fake, client)
    [path] = journals(tmp_path)
    spoil(path, how)
    fake.approve()
    again = killed(client)

    assert again.call("refund", OTHER, lambda **args: "paid", run="r") == "paid"
    assert again.call("refund", OTHER, lambda **args: "paid") == "paid"
    assert again.report() == 0
    with again.run("s") as run:
        assert run.do("pay", lambda **args: "paid", action="refund", args=OTHER) == "paid"
    with pytest.raises(BrokenJournal, match="assent doctor") as broken:
        again.call("refund", REFUND, dict, run="r")

    assert broken.value.path == str(path)


def test_it_stops_the_same_action_outside_of_a_run_and_no_other(fake, client, killed, tmp_path):
    fake.hold()
    with pytest.raises(StillPending):
        client.call("refund", REFUND, dict, wait_s=0.01)
    spoil(journals(tmp_path)[0], "cut off")
    fake.approve()
    again = killed(client)

    for _ in range(2):
        with pytest.raises(BrokenJournal):
            again.call("refund", REFUND, dict)
    assert again.call("refund", OTHER, lambda **args: "paid") == "paid"


@pytest.mark.parametrize("kind", ["steps", "undos"])
def test_one_of_a_step_stops_no_roll_back_of_the_others(fake, client, tmp_path, kind):
    undone, run = [], client.run("r")
    for name in ("first", "second"):
        with run.step(name, undo=lambda name=name: undone.append(name)):
            pass
    (tmp_path / "state" / kind).mkdir(exist_ok=True)
    client._core.journal.path_of(kind, "r\nsecond").write_text("{")

    ended = run.roll_back()

    assert "first" in undone
    assert ended.undone == (("second", "first") if kind == "steps" else ("first",))


@pytest.fixture
def doctor(monkeypatch, tmp_path, capsys):
    def examine():
        monkeypatch.setenv("ASSENT_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("ASSENT_STATE", str(tmp_path / "state"))
        cli.main(["doctor", "--json"])
        findings = json.loads(capsys.readouterr().out)["findings"]
        return [finding for finding in findings if finding["name"] == "journal"]

    return examine


@pytest.mark.parametrize("how", BROKEN)
def test_the_doctor_sets_it_aside_and_says_what_it_was(fake, client, killed, tmp_path, doctor, how):
    pending(fake, client)
    pending(fake, client, OTHER)
    path = client._core.journal.path_of("actions", fake.assert_asked("refund", order="456").key)
    spoil(path, how)

    [finding] = doctor()

    assert finding["state"] == "look"
    assert str(path) in finding["text"]
    if how in ("cut off", "another field"):
        assert "action refund" in finding["text"]
    assert not path.exists()
    assert len(list((tmp_path / "state" / "aside").iterdir())) == 1
    assert len(journals(tmp_path)) == 1
    assert doctor() == []
    fake.approve()
    assert killed(client).call("refund", REFUND, lambda **args: "paid", run="r") == "paid"


def test_what_ran_does_not_run_again_after_its_file_was_set_aside(fake, client, killed, tmp_path, doctor):
    fake.approve()
    ledger = []
    with pytest.raises(KeyboardInterrupt), client.guard("refund", REFUND, run="r"):
        ledger.append("420.00")
        raise KeyboardInterrupt
    spoil(journals(tmp_path)[0], "cut off")
    doctor()

    with pytest.raises(Exception, match="nobody knows"):
        killed(client).call("refund", REFUND, lambda **args: ledger.append("again"), run="r")

    assert ledger == ["420.00"]


def test_every_kind_of_file_is_looked_at(tmp_path, doctor):
    for kind in ("actions", "steps", "undos", "grants", "own"):
        (tmp_path / "state" / kind).mkdir(parents=True)
        (tmp_path / "state" / kind / "x.json").write_text("{")
    assert len(doctor()) == 5


def test_the_doctor_looks_where_the_client_keeps_its_journal(fake, monkeypatch, tmp_path, capsys):
    monkeypatch.delenv("ASSENT_STATE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("ASSENT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ASSENT_KEY", "asn_one\n")
    with Assent() as client:
        client._core.journal.put("own", "x", {})
        path = client._core.journal.path_of("own", "x")
    path.write_text("{")

    cli.main(["doctor"])

    assert str(path) in capsys.readouterr().out


# --- Standing approvals


def test_a_grant_whose_count_is_lost_is_not_used(fake, client, tmp_path):
    pytest.importorskip("cryptography")
    fake.grant("refund")
    client.grants()
    [path] = journals(tmp_path, "grants")
    path.write_text("{")
    with fake.unreachable(), pytest.raises(Exception, match="no standing approval"):
        client.call("refund", REFUND, dict)

    client.grants()

    assert path.read_text() == "{"
