"""While Assent is out of reach only a standing approval that it signed beforehand lets anything run."""

import json
from pathlib import Path

import pytest

from assent import grants
from assent.errors import Unavailable, Unconfirmed

REFUND = {"order": "456", "amount": "420.00", "currency": "EUR"}
SMALL = [{"path": "amount", "op": "le", "value": "500"}, {"path": "currency", "op": "eq", "value": "EUR"}]
CASES = Path(__file__).parents[3] / "tests" / "grants_cases.json"


def refund(**args):
    return args["amount"]


def test_a_signed_grant_covers_an_outage_and_is_reported_afterwards(fake, client, killed):
    grant = fake.grant("refund", SMALL)
    client.grants()
    with fake.unreachable():
        assert client.call("refund", REFUND, refund, run="r") == "420.00"

    assert killed(client).report() == 1

    [use] = [one.body for one in fake.exchanges if one.path.endswith(f"grants/{grant}/uses")]
    assert use["uses"][0]["outcome"] == "succeeded"
    assert use["uses"][0]["action"]["args"] == REFUND


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ({"amount": "500.01"}, "amount le"),
        ({"currency": "USD"}, "currency eq"),
        ({"amount": None}, "amount le"),
    ],
)
def test_what_it_does_not_cover_word_for_word_is_refused(fake, client, args, why):
    fake.grant("refund", SMALL)
    client.grants()

    with fake.unreachable(), pytest.raises(Unavailable, match=why):
        client.call("refund", {**REFUND, **args}, refund)


def test_it_is_used_as_often_as_it_says_also_by_other_processes(fake, client, client_of):
    fake.grant("refund", most=2)
    client.grants()
    with fake.unreachable():
        client.call("refund", REFUND, refund)
        client_of().call("refund", REFUND, refund)
        with pytest.raises(Unavailable, match="used up"):
            client.call("refund", REFUND, refund)


@pytest.mark.parametrize("how", ["over", "forged", "another's", "revoked", "another action"])
def test_a_grant_that_does_not_count_covers_nothing(fake, client, client_of, tmp_path, how):
    fake.grant("refund" if how != "another action" else "charge", seconds=-60 if how == "over" else 60)
    client.grants()
    if how == "revoked":
        fake.state.grants.clear()
        client.grants()
    if how == "forged":
        [file] = (tmp_path / "state" / "grants").iterdir()
        kept = json.loads(file.read_text())
        head, claims, tail = kept["token"].split(".")
        file.write_text(json.dumps({**kept, "token": f"{head}.{claims[:-4]}AAAA.{tail}"}))
    if how == "another's":
        client = client_of(agent="mallory")

    with fake.unreachable(), pytest.raises(Unavailable):
        client.call("refund", REFUND, refund)


def test_killed_after_its_use_was_noted_nobody_knows_and_nothing_runs_again(fake, client, killed):
    fake.grant("refund")
    client.grants()
    with fake.unreachable(), pytest.raises(KeyboardInterrupt):
        client.call("refund", REFUND, lambda **args: (_ for _ in ()).throw(KeyboardInterrupt()), run="r")

    with pytest.raises(Unconfirmed, match="standing approval"):
        killed(client).call("refund", REFUND, refund, run="r")


def test_without_the_extra_it_says_what_to_install(fake, client, monkeypatch):
    fake.grant("refund")
    client.grants()
    monkeypatch.setattr(grants.tokens, "can_verify", lambda: False)

    with fake.unreachable(), pytest.raises(Unavailable, match=r"assent\[verify\]"):
        client.call("refund", REFUND, refund)


@pytest.mark.parametrize(
    ("op", "value", "actual", "holds"),
    [
        ("eq", "EUR", "EUR", True),
        ("eq", 420, 420.0, True),
        ("eq", 1, True, False),
        ("eq", "420", 420, False),
        ("ne", "EUR", "USD", True),
        ("ne", "EUR", "EUR", False),
        ("ne", "EUR", 7, False),
        ("lt", 500, "499.99", True),
        ("lt", 500, "500", False),
        ("le", "500", 500, True),
        ("gt", 0, "-1", False),
        ("ge", 10, "9.99", False),
        ("ge", 10, "ten", False),
        ("ge", 10, True, False),
        ("ge", 10, "NaN", False),
        ("in", ["EUR", "USD"], "USD", True),
        ("in", ["EUR"], "GBP", False),
        ("in", "EUR", "E", False),
        ("starts", "customer:", "customer:9", True),
        ("starts", "customer:", ["customer:"], False),
        ("like", "x", "x", False),
    ],
)
def test_a_condition_holds_only_for_the_same_kind_of_value(op, value, actual, holds):
    condition = {"path": "a.b", "op": op, "value": value}

    assert grants.is_fulfilled(condition, {"a": {"b": actual}}) is holds
    assert grants.is_fulfilled(condition, {"a": {}}) is False


@pytest.mark.skipif(
    not CASES.exists(), reason="the server's table of cases is beside this package only in its own tree"
)
def test_the_servers_table_holds_here_word_for_word():
    cases = json.loads(CASES.read_text())
    wrong = [
        case["why"]
        for case in cases
        if all(grants.is_fulfilled(c, case["args"]) for c in case["conditions"]) != case["holds"]
    ]

    assert len(cases) > 20
    assert wrong == []
