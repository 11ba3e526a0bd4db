"""Of some things there is one maker: whatever else made them too would forget a column of theirs one day."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = [
    path
    for house in ("approvals", "agents", "console")
    for path in sorted((ROOT / house).rglob("*.py"))
    if "migrations" not in path.parts and "sdk" not in path.parts
]


def nodes() -> Iterator[tuple[str, ast.AST]]:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            yield str(path.relative_to(ROOT)), node


def makes(node: ast.AST, model: str) -> bool:
    """A call of the class, or of its manager's `create`, `get_or_create`, …"""
    called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    return called == model or (called.startswith(f"{model}.objects.") and "create" in called.rpartition(".")[2])


@pytest.mark.parametrize(
    ("model", "maker"),
    [("Decision", "approvals/models/verdict.py"), ("Vote", "approvals/decisions/decide.py")],
)
def test_a_row_is_made_in_one_module(model, maker):
    # Rows that `Decision.on` made are stored by whoever asked for them.
    makers = {path for path, node in nodes() if makes(node, model) and "bulk_create" not in ast.unparse(node)}

    assert makers <= {maker}


def test_a_claim_is_cleared_by_one_set_of_columns():
    cleared = {
        path
        for path, node in nodes()
        if isinstance(node, ast.Dict)
        for name, value in zip(node.keys, node.values, strict=True)
        if isinstance(name, ast.Constant)
        and name.value in ("claimed_by_id", "claim_until")
        and isinstance(value, ast.Constant)
        and value.value is None
    }

    assert cleared == {"approvals/models/approval.py"}


def test_a_mail_is_sent_and_an_alarm_is_written_in_one_module():
    mailers = {path for path, node in nodes() if isinstance(node, ast.ImportFrom) and node.module == "django.core.mail"}
    alarms = {
        path
        for path, node in nodes()
        if makes(node, "Delivery")
        and any(ast.unparse(keyword.value) == "Delivery.Channel.MAIL" for keyword in node.keywords)
    }

    assert mailers == {"approvals/notify/mail.py"}
    assert alarms == {"approvals/notify/alarms.py"}


def test_what_became_of_a_delivery_is_written_in_one_module():
    writers = {
        path
        for path, node in nodes()
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".update")
        for keyword in node.keywords
        if keyword.arg == "status" and ast.unparse(keyword.value).startswith(("Delivery.Status.", "_DUE"))
    }

    assert writers == {"approvals/notify/deliveries.py"}


def test_a_set_of_one_is_moved_as_one():
    sets_of_one = {
        f"{path}:{node.lineno}"
        for path, node in nodes()
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "audit.move"
        if node.args and isinstance(node.args[0], ast.List) and len(node.args[0].elts) == 1
    }

    assert not sets_of_one
