"""Reasons are data: each code has typed parameters, its sentence, and the way to JSON and back."""

import ast
import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args, get_origin
from uuid import UUID

import pytest
from django.utils.functional import Promise
from django.utils.translation import override

from approvals.policy import flag_reasons, messages, reasons
from approvals.policy.compiled_policy import Stage
from approvals.policy.flag_reasons import Flag, FlagOfStep
from approvals.policy.reasons import CODES, Reason, parameters_of
from approvals.policy.sentences import SENTENCES

ROOT = Path(__file__).resolve().parents[2]
FAMILIES = {"rule_reason", "confidence", "queue_lacks", "flag"}  # of several, never used by themselves
PLAIN = {
    str: "words",
    int: 3,
    bool: True,
    Decimal: Decimal("1234.50"),
    UUID: UUID(int=7),
    date: date(2026, 11, 21),
    datetime: datetime(2026, 11, 21, 9, 30, tzinfo=UTC),
    timedelta: timedelta(hours=36),
    Stage: Stage(2, "legal", 2),
    Reason: reasons.RuleMatched("big", "Too much."),
    Flag: flag_reasons.FirstTime("robot", "Refund"),
    Mapping: {"path": "/amount", "from": 420, "to": 500},
}
# Parameters that are codes themselves.
NAMED = {
    ("spending_above_limit", "of"): "run",
    ("duplicate", "status"): "executed",
    ("hidden_characters", "kinds"): ("bidi", "tag"),
}
CONCRETE = sorted(CODES.keys() - FAMILIES)


def example(code: str) -> Reason:
    kind = CODES[code]
    return kind(**{name: NAMED.get((code, name), value_of(hint)) for name, hint in parameters_of(kind).items()})


def value_of(hint: Any) -> Any:
    if hint in PLAIN:
        return PLAIN[hint]
    if get_origin(hint) is tuple:
        return (value_of(get_args(hint)[0]),)
    if get_origin(hint) in PLAIN:
        return PLAIN[get_origin(hint)]
    return value_of(next(choice for choice in get_args(hint) if choice is not type(None)))


@pytest.mark.parametrize("code", CONCRETE)
def test_each_reason_goes_to_json_and_back(code):
    reason = example(code)
    stored = json.loads(json.dumps(reason.as_json()))
    assert stored["code"] == code
    assert Reason.of_json(stored) == reason
    assert stored.keys() - {"code"} == set(parameters_of(type(reason)))


@pytest.mark.parametrize("code", CONCRETE)
def test_each_reason_has_its_sentence_and_says_its_rule_and_numbers(code):
    text = messages.sentence(example(code))
    assert text and "{" not in text and "Promise" not in text
    for field in fields(CODES[code]):
        if field.name in ("rule", "message", "tries", "most", "approvers"):
            assert str(getattr(example(code), field.name)) in text


@pytest.mark.parametrize("code", CONCRETE)
def test_each_sentence_is_made_in_the_language_of_its_reader(code, monkeypatch):
    """No text is fixed when its module is imported: what a sentence starts from waits for its reader."""
    template = SENTENCES.get(CODES[code])
    with override("de"):
        assert template is None or isinstance(template, Promise)


def test_a_flag_of_a_step_is_listed_by_its_own_name():
    assert FlagOfStep(2, "Refund (b)", "b", flag_reasons.FirstTime("robot", "Refund")).name == "first_time"
    with pytest.raises(TypeError):
        Flag.of_json(reasons.AlwaysAsks().as_json())


def test_a_deviation_says_what_it_waits_for_what_ran_and_what_differs():
    at = {"plan": UUID(int=7), "step": "b", "number": 2}
    edit = {"path": "/amount", "from": 420}
    texts = [
        messages.sentence(flag_reasons.Deviates(**at, **facts))
        for facts in (
            {"waits": ("a",)},
            {"used": True},
            {"action": "wipe"},
            {"differs": (edit,) * 7},
            {},
        )
    ]
    assert texts[0].endswith("step 2 (b): it comes after a")
    assert texts[1].endswith("it has run already")
    assert texts[2].endswith("the step is wipe")
    assert texts[3].count("/amount is nothing, approved was 420") == 5 and texts[3].endswith(" and 2 more")
    assert texts[4].endswith("it concerns something else, or comes with other files")


# Where a sentence is made: what people and agents read. Nothing else of the domain knows one.
EDGES = {
    "admin/deadline_shares.py",
    "admin/rehearsals.py",
    "admin/samples.py",
    "evidence/feedback.py",  # the log for auditors and agents
    "decisions/revise.py",  # the reviewer whose change policy refuses
    "execution/grants.py",  # the manager whose standing approval policy refuses
    "execution/offline_grants.py",  # the text of an incident
    "policy/messages.py",
    "requests/decision_document.py",
}


def test_no_domain_module_knows_a_sentence_or_stores_a_text_as_reason():
    edges = set()
    for path in sorted((ROOT / "approvals").rglob("*.py")):
        tree, name = ast.parse(path.read_text()), str(path.relative_to(ROOT / "approvals"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("approvals.policy"):
                imported = {node.module.rpartition(".")[2], *(alias.name for alias in node.names)}
                if imported & {"messages", "sentences"}:
                    edges.add(name)
            if isinstance(node, ast.keyword) and node.arg == "reasons" and name not in EDGES:
                parts = list(ast.walk(node.value))
                assert not [part for part in parts if isinstance(part, ast.JoinedStr)], (name, node.lineno)
                assert not [part for part in parts if isinstance(getattr(part, "value", None), str)], (
                    name,
                    node.lineno,
                )
    assert edges == EDGES


def test_no_reason_is_compared_as_a_text():
    """Codes are compared; what a reason says is not."""
    for path in [*(ROOT / "approvals").rglob("*.py"), *(ROOT / "console").rglob("*.py"), *ROOT.glob("agents/*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                calls = [part for part in ast.walk(node) if isinstance(part, ast.Call)]
                names = {getattr(call.func, "attr", getattr(call.func, "id", "")) for call in calls}
                assert not names & {"sentences", "documents"}, (path, node.lineno)
