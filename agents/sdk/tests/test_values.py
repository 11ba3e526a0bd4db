"""Arguments of Python's own types go out as JSON and come back as they were, or by the annotation."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated
from uuid import UUID

import pytest

from assent import encode, key_for
from assent.errors import PermitRefused
from assent.values import decode


class Currency(Enum):
    EUR = "EUR"


@dataclass
class Line:
    sku: str
    price: Decimal


CASE = UUID("7d444840-9dc0-11d1-b245-5ffdce74fad2")
SENT = {
    "amount": Decimal("420.00"),
    "currency": Currency.EUR,
    "due": date(2026, 11, 30),
    "case": CASE,
    "lines": [Line("A1", Decimal("1.10"))],
}
ON_THE_WIRE = {
    "amount": "420.00",
    "currency": "EUR",
    "due": "2026-11-30",
    "case": str(CASE),
    "lines": [{"sku": "A1", "price": "1.10"}],
}


def test_a_decorated_function_is_given_what_it_was_called_with(fake, client):
    fake.approve()
    called = []
    client.requires_approval("pay")(lambda **args: called.append(args))(**SENT)
    assert called == [SENT]
    fake.assert_asked("pay", **ON_THE_WIRE)


def test_what_a_reviewer_changed_comes_back_by_the_annotation(fake, client):
    fake.modify("pay", {"amount": "200.00", "due": "2026-12-01"})
    called = []

    def paid(amount: Decimal, due: date):
        called.append((amount, due))

    client.requires_approval("pay")(paid)(Decimal("420.00"), date(2026, 11, 30))
    assert called == [(Decimal("200.00"), date(2026, 12, 1))]


def test_in_another_process_all_of_it_does(fake, client):
    fake.approve()
    called = []

    def paid(amount: Decimal, currency: Currency, due: date, case: UUID, lines: list[Line]):
        called.append({"amount": amount, "currency": currency, "due": due, "case": case, "lines": lines})

    client.execute(client.wait(client.submit("pay", encode(SENT))), paid)
    assert called == [SENT]


def test_what_does_not_fit_the_annotation_leaves_the_permit_unused(fake, client):
    fake.modify("pay", {"amount": "a lot"})
    with pytest.raises(PermitRefused, match="a lot"):
        client.requires_approval("pay")(pay_amount)(Decimal("1.00"))
    assert fake.consumed == []


def pay_amount(amount: Decimal):
    raise AssertionError("this must not run")


@pytest.mark.parametrize(
    ("value", "annotation", "decoded"),
    [
        ("1.10", Decimal | None, Decimal("1.10")),
        (None, Decimal | None, None),
        ("1.10", str | Decimal, "1.10"),
        (1, int | str, 1),
        (["1", "2"], tuple[Decimal, ...], (Decimal(1), Decimal(2))),
        (["a"], set[str], {"a"}),
        ({"a": "1"}, dict[str, Decimal], {"a": Decimal(1)}),
        ("2026-11-30T10:00:00+00:00", Annotated[datetime, "when"], datetime.fromisoformat("2026-11-30T10:00:00+00:00")),
        ("/tmp/x", Path, Path("/tmp/x")),  # noqa: S108 - a name, not a file
        ({"any": ["thing"]}, None, {"any": ["thing"]}),
        ("text", "an annotation that is none", "text"),
    ],
)
def test_each_comes_back_by_its_annotation(value, annotation, decoded):
    back = decode(value, annotation)
    assert back == decoded and type(back) is type(decoded)


@pytest.mark.parametrize(("value", "annotation"), [(True, Decimal), (["1"], tuple[str, str]), ("x", date), (7, UUID)])
def test_what_is_none_of_it_is_refused(value, annotation):
    with pytest.raises((ValueError, TypeError)):
        decode(value, annotation)


def test_a_run_is_named_for_each_call(fake, client):
    fake.approve()
    by_order = client.requires_approval("pay", run=lambda args: f"order-{args['order']}")(lambda order: None)
    described = client.requires_approval("pay", describe=lambda args: {"run": "case-1", "summary": "x"})(
        lambda order: None
    )
    by_order("981")
    described("981")
    assert [fake.state.requests[one.request].run["id"] for one in fake.asked_items] == ["order-981", "case-1"]


def test_a_pause_has_one_key_and_no_other_pause_has_it():
    key = key_for(thread="thread-7", checkpoint="1ef", interrupt="abc", answers=["yes"])
    assert key == key_for(thread="thread-7", checkpoint="1ef", interrupt="abc", answers=["yes"])
    assert key.startswith("thread-7/1ef/abc/")
    others = {
        key_for(thread="thread-7", checkpoint="1ef", interrupt="abc"),
        key_for(thread="thread-7/1ef", checkpoint="", interrupt="abc", answers=["yes"]),
        key_for(thread="thread-7", checkpoint="1ef", interrupt="abc", answers=["no"]),
    }
    assert len({key, *others}) == 4
    for long in ("x" * 400, "größer", "a b"):
        assert key_for(thread=long).isascii() and len(key_for(thread=long)) < 255
