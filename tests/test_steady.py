"""The tests themselves: none hangs on chance, on load or on order."""

import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.run
from tests.conftest import ROOT
from tests.text_search import mentions

FILES = sorted([*(ROOT / "tests").rglob("*.py"), *(ROOT / "agents" / "sdk" / "tests").rglob("*.py")])
_NUMBER = re.compile(r"\d[\d.,_]{0,6}\Z")


def where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno}"


def is_short_number(node: ast.AST) -> bool:
    """A short number as text: chance puts it into any id."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_NUMBER.match(node.value))


def number_searches(tree: ast.AST) -> Iterator[ast.AST]:
    """Where a bare number is looked for in something else than a literal."""
    collections = (ast.Tuple, ast.List, ast.Set, ast.Dict)
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            lefts = [node.left, *node.comparators[:-1]]
            for left, operator, right in zip(lefts, node.ops, node.comparators, strict=True):
                if (
                    isinstance(operator, ast.In | ast.NotIn)
                    and is_short_number(left)
                    and not isinstance(right, collections)
                ):
                    yield node
        if isinstance(node, ast.comprehension | ast.For) and isinstance(node.iter, collections):
            name = getattr(node.target, "id", "")
            if any(is_short_number(one) for one in ast.iter_child_nodes(node.iter)):
                scope = node if isinstance(node, ast.For) else ast.Module([ast.Expr(test) for test in node.ifs], [])
                if any(_looks_for(one, name) for one in ast.walk(scope)):
                    yield node.iter


def _looks_for(node: ast.AST, name: str) -> bool:
    return (
        isinstance(node, ast.Compare)
        and isinstance(node.left, ast.Name)
        and node.left.id == name
        and any(isinstance(operator, ast.In | ast.NotIn) for operator in node.ops)
    )


def guessed_sleeps(tree: ast.AST) -> Iterator[ast.Call]:
    """Where a time is guessed: a sleep that is not between two looks at a condition."""
    looks = [node for node in ast.walk(tree) if isinstance(node, ast.While | ast.For | ast.AsyncFor)]
    between = {id(inner) for look in looks for inner in ast.walk(look)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr not in ("sleep", "wait_for_timeout"):
            continue
        yields = node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value == 0
        if not yields and id(node) not in between:
            yield node


def test_no_number_is_searched_where_an_id_could_hold_it():
    guesses = [where(path, node) for path in FILES for node in number_searches(ast.parse(path.read_text()))]

    assert guesses == [], "use tests.text_search.says, or search for more than a number"


def test_no_test_guesses_a_time():
    sleeps = [
        where(path, node)
        for path in FILES
        for node in guessed_sleeps(ast.parse(path.read_text()))
        if "# waits for nothing:" not in path.read_text().splitlines()[node.lineno - 1]
    ]

    assert sleeps == [], "wait for a condition (tests.waiting.until), or say why nothing can be waited for"


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("420 EUR", True),
        ("It was 420.", True),
        ("amount: 420, order", True),
        ("4200 or 1420 or 420.50 or 1,420", False),
        ("/approvals/01a22387-438c-726a-b4a3-ed5380cf2420/", False),
        ("/approvals/01a22387-420c-726a-b4a3-ed5380cf2420/ is 420", True),
        ("sha256:420a9f420b8420c1420d8420e7420f9420a8b7c6d5e4f3a2b1", False),
        ("at 2026-11-28T04:20:42.420Z, and at 14:20", False),
        ("token eyJhbGciOiJFZERTQSJ9-420-aaaaaaaaaaaaaaaaa.420aaaaaaaaaaaaaaaaaaaaaa", False),
    ],
)
def test_ids_digests_and_moments_say_no_number(text, heard):
    assert mentions(text, "420") is heard


# --- What a test leaves behind, and in which order it runs

ORDERS = """
import pytest
@pytest.mark.parametrize("number", range(20))
def test_one(number): print(f"<{number}>")
"""
LEAVES = """
import subprocess, sys, threading
import pytest
from django.db import connection

def test_a_thread(tmp_path):
    threading.Thread(target=threading.Event().wait, args=(3,)).start()

@pytest.mark.django_db(transaction=True)
def test_a_connection():
    held = threading.Event()
    def work():
        connection.ensure_connection()
        held.wait(3)
    threading.Thread(target=work, daemon=True).start()

def test_a_process():
    global process
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3)"])
"""


def run(tmp_path: Path, text: str, *options: str) -> str:
    """What pytest says of a file of its own."""
    file = tmp_path / "test_inner.py"
    file.write_text(text)
    command = [sys.executable, "-m", "pytest", str(file), "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    answer = subprocess.run(
        [*command, "-q", "-s", "--nomigrations", *options], cwd=ROOT, capture_output=True, text=True, timeout=110
    )
    return answer.stdout + answer.stderr


ONCE = """
import os, pathlib
def test_once():
    marker = pathlib.Path(os.environ["MARKER"])
    seen, _ = marker.exists(), marker.touch()
    assert seen
"""


@pytest.mark.parametrize(
    ("more", "code", "named"),
    [
        ("", 0, True),
        ("def test_never(): assert 0", 1, False),
        ("import pytest\ndef test_skipped(): pytest.skip('no')", 1, False),
    ],
)
def test_the_few_that_fail_run_once_more_alone(more, code, named, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("MARKER", str(tmp_path / "marker"))
    monkeypatch.setenv("ASSENT_NO_SKIPS", "1")
    monkeypatch.chdir(ROOT)
    with tempfile.NamedTemporaryFile("w", dir=ROOT / "tests", prefix="test_of_a_test_", suffix=".py") as file:
        file.write(ONCE + more)
        file.flush()
        command = [sys.executable, "-m", "pytest", f"tests/{Path(file.name).name}", "--nomigrations"]

        assert tests.run.tests(command) == code
    assert ("UNSTEADY" in capfd.readouterr().out) == named


def test_a_seed_gives_an_order_and_the_same_seed_the_same(tmp_path):
    first, again, other = (re.findall(r"<(\d+)>", run(tmp_path, ORDERS, "--shuffle", seed)) for seed in ("7", "7", "8"))
    plain = [str(number) for number in range(20)]

    assert first == again != other
    assert sorted(first, key=int) == sorted(other, key=int) == plain != first


def test_several_processes_share_a_new_seed(tmp_path):
    output = run(tmp_path, ORDERS, "--shuffle", "new", "-n", "2")

    assert re.search(r"The order was --shuffle \d+", output)
    assert "20 passed" in output
