"""What the README says can be pasted."""

import json
import re
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

import assent
from assent import errors, webhooks
from assent.cli import main
from assent.testing import FakeGateway

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
FUNCTION, BLOCK, RUN, EXECUTOR, ELSEWHERE, TEST, HOOK = BLOCKS


@pytest.fixture
def paste(fake: FakeGateway, monkeypatch, tmp_path):
    """Run a block with these names beside it, against the fake."""
    with fake.served() as url:
        for name, value in {"URL": url, "KEY": fake.key, "STATE": str(tmp_path / "state")}.items():
            monkeypatch.setenv(f"ASSENT_{name}", value)

        def run(block: str, **names: object) -> dict[str, object]:
            exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - our own README
            return names

        with assent.defaults.fresh():
            yield run


def paying(paid: list[dict]) -> SimpleNamespace:
    def pay(order: str, amount: str, currency: str = "EUR") -> str:
        paid.append({"order": order, "amount": amount})
        return "paid"

    return SimpleNamespace(pay=pay)


def test_a_function_in_three_lines(paste, fake, capsys):
    paid: list[dict] = []
    fake.modify("refund", {"amount": "200.00"})
    paste(FUNCTION, bank=paying(paid))
    assert paid == [{"order": "456", "amount": "200.00"}]
    fake.reject("too much")
    paste(FUNCTION, bank=paying(paid))
    assert len(paid) == 1 and "nothing was paid: Rejected" in capsys.readouterr().out


def test_the_same_as_a_block(paste, fake):
    paid: list[dict] = []
    fake.approve()
    paste(BLOCK, bank=paying(paid), assent=assent)
    assert paid == [{"order": "456", "amount": "420.00"}]
    assert fake.asked_items[-1].reasoning == "The photo shows it."


def test_a_run_rolls_back(paste, fake):
    did: list[object] = []
    fake.approve("reserve_stock")
    fake.reject("no", action="charge_card")
    with pytest.raises(assent.Rejected):
        paste(
            RUN,
            assent=assent,
            reserve=lambda sku: did.append(("reserve", sku)),
            release=lambda sku: did.append(("release", sku)),
            charge=lambda amount: did.append("charge"),
        )
    assert did == [("reserve", "A1"), ("release", "A1")]


def test_an_executor_somewhere_else(paste, fake):
    args = {"order": "456"}
    fake.approve()
    with assent.Assent() as agent:
        request = agent.submit("ship", args, preconditions={"order_status": "delivered"})
        permit = agent.wait(request).permit
    shipped: list[dict] = []
    paste(EXECUTOR, assent=assent, permit=permit, args=args, ship=lambda **args: shipped.append(args))
    assert shipped == [args]
    fake.assert_reported("succeeded", action="ship")


def test_decided_here_and_run_there(paste, fake, capsys):
    names = {"assent": assent, "json": json, "pay": lambda order, amount: f"paid {amount}"}
    fake.approve(times=1)
    paste(ELSEWHERE, **names)
    fake.reject("offer an exchange")
    paste(ELSEWHERE, **names)
    output = capsys.readouterr().out.splitlines()
    assert output[0] == "paid 420.00" and "offer an exchange" in output[1]


def test_a_test_without_a_server(paste, tmp_path):
    paid: list[dict] = []
    names = paste(TEST, assent=assent, refund_for_real=paying(paid).pay)
    names["test_a_big_refund_is_cut"](tmp_path)
    assert paid == [{"order": "456", "amount": "200.00"}]


def test_a_webhook(paste):
    secret, woken = "whsec_c2VjcmV0", []
    hook = paste(HOOK, secret=secret, wake=woken.append)["hook"]
    event = {"type": "request.decided", "timestamp": "2026-11-21T08:00:00Z", "data": {"request": "r"}}
    body = json.dumps(event).encode()
    at = int(time.time())
    headers = {"webhook-id": "m", "webhook-timestamp": str(at)}
    assert hook(body, {**headers, "webhook-signature": webhooks.sign("m", at, body, secret)}) == 204
    assert hook(body, {**headers, "webhook-signature": "v1,AAAA"}) == 400
    assert woken == ["r"]


def test_every_error_is_in_the_table_and_every_word_of_it_is_there():
    named = set(re.findall(r"`(\w+)`", README))
    kinds = {name: getattr(assent, name) for name in assent.__all__}
    public = {name for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, errors.AssentError)}
    public -= {"AssentError", "Denied"}  # what the others are
    assert public <= named
    for name in re.findall(r"`(approve|modify|reject|refuse|expire|hold|answer|skip)`", README):
        assert callable(getattr(FakeGateway, name))


def test_every_command_of_the_table_is_understood(capsys):
    for line in re.findall(r"`assent (\w+)", README):
        with pytest.raises(SystemExit) as ended:
            main([line, "--help"])
        assert ended.value.code == 0
    capsys.readouterr()
