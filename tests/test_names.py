"""Names say what they hold: the nine that say nothing are refused, and so are words that the glossary replaced."""

import ast
import builtins
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
WINGS = ("approvals", "agents", "console", "tests")
GLOSSARY = (ROOT / "templates" / "help" / "glossary.md").read_text()
NOTHING = {"one", "found", "said", "told", "asked", "words", "place", "known", "wanted"}
REPLACED = {
    *("Pause", "Seen", "Words", "Asked", "Asking", "One", "Many", "Case", "Question", "Event", "Audit"),
    *("Degraded", "Heard", "Inquiry", "Cover", "Beforehand", "Office", "Rung", "Rhythm", "Post", "Crew", "Go", "Place"),
    *("Life", "Hands", "Scarcity", "Ahead"),
}
OWN = {  # where the word is that file's own
    "agents/sdk/src/assent/shapes.py": {"Event", "Question"},
    "agents/sdk/src/assent/webhooks.py": {"Event"},
    "agents/demo/home.py": {"Case"},
}
APART = (
    "agents/sdk/",  # a distribution of its own, which cannot import the domain's
    "approvals/history/facts.py",  # each class is a kind of event, and has its name
    "agents/api/",  # each class is an address, and is called as what is done there
)
TWICE = {
    "Command": "Django finds management commands by it",
    "Page": "of the event feed, and of a list in the console",
    "Call": "of an expression, and of an agent at the fast door of submissions",
    "WorldMoved": "a reason that is shown, and the refusal that an executor gets for it",
    "RunStopped": "the same",
    "Signal": "a part of the confidence, and its line on the card",
}
RAISES = re.compile(r"\b[Rr]aises ([A-Z]\w+(?:(?:, and |, or |, | and | or )[A-Z]\w+)*)")
SHORT = 3  # lines of a comprehension, in which the loop variable may be anything
STRICT = (  # where it may not: the noun stands there, too
    *("approvals/requests", "approvals/clock.py", "approvals/policy/pre_approvals.py"),
    *("console/batch", "console/plan/plans.py"),
)


def files(wing: str) -> list[Path]:
    return [path for path in (ROOT / wing).rglob("*.py") if "migrations" not in path.parts]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def names(tree: ast.AST, short: int = SHORT) -> Iterator[tuple[str, int]]:
    """Every name that is bound, with its line; those of comprehensions of less than `short` lines are free."""
    for node in ast.iter_child_nodes(tree):
        match node:
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                if (node.end_lineno or 0) - node.lineno < short:
                    continue
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.arg(arg=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, node.lineno
        yield from names(node, short)


def test_a_class_name_stands_for_one_thing():
    homes = defaultdict(list)
    for wing in ("approvals", "agents", "console"):
        for path in files(wing):
            name = str(path.relative_to(ROOT))
            for node in parsed(path).body:
                if isinstance(node, ast.ClassDef) and not name.startswith(APART):
                    homes[node.name].append(name)

    assert homes
    assert {name: where for name, where in homes.items() if len(where) > 1 and name not in TWICE} == {}


def is_strict(path: Path) -> bool:
    return str(path.relative_to(ROOT)).startswith(STRICT)


@pytest.mark.parametrize("wing", WINGS)
def test_a_name_says_what_it_holds(wing):
    refused = [
        f"{path.relative_to(ROOT)}:{line} {name}"
        for path in files(wing)
        for name, line in names(parsed(path), 0 if is_strict(path) else SHORT)
        if name in NOTHING or name.lstrip("_") in REPLACED - OWN.get(str(path.relative_to(ROOT)), set())
    ]

    assert not refused


@pytest.mark.parametrize(("suffix", "loop"), [("html", r"{%-? for (\w+)"), ("js", r"\b(?:const|let|var) (\w+)\b")])
def test_templates_and_scripts_too(suffix, loop):
    paths = [*(ROOT / "templates").rglob(f"*.{suffix}"), *(ROOT / "static").rglob(f"*.{suffix}")]
    refused = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in paths
        for name in re.findall(loop, path.read_text())
        if name in NOTHING
    ]

    assert paths
    assert not refused


def test_the_glossary_lists_what_is_never_a_name():
    [listed] = re.findall(r"## Never a name\n\n(.*?):", GLOSSARY, re.S)
    assert set(re.findall(r"`(\w+)`", listed)) == NOTHING


def test_every_file_and_class_of_the_glossary_is_there():
    sources = "\n".join(path.read_text() for wing in WINGS[:3] for path in files(wing))
    for word in re.findall(r"`([^`]+)`", GLOSSARY.partition("## Never a name")[0]):
        if "/" in word:
            assert (ROOT / word).exists() or (ROOT / "approvals" / word).exists(), word
        elif re.fullmatch(r"[A-Za-z_]+", word):
            assert re.search(rf"\b{word}\b", sources), word


def test_an_error_that_a_docstring_promises_is_there():
    trees = {path: parsed(path) for wing in WINGS[:3] for path in files(wing)}
    nodes = [(path, node) for path, tree in trees.items() for node in ast.walk(tree)]
    there = {node.name for _, node in nodes if isinstance(node, ast.ClassDef)} | set(dir(builtins))
    there |= {name.name for _, node in nodes if isinstance(node, ast.ImportFrom) for name in node.names}
    promised = [
        (path, node.name, error)
        for path, node in nodes
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        for errors in RAISES.findall(ast.get_docstring(node) or "")
        for error in re.findall(r"[\w.]+", errors)
        if error[0].isupper()
    ]

    assert promised
    assert [f"{path.relative_to(ROOT)} {name} {error}" for path, name, error in promised if error not in there] == []


def test_every_number_in_a_tests_name_stands_for_something():
    numbers = {
        int(number) for path in files("tests") for number in re.findall(r"\bdef test_\w*?u(\d\d)_", path.read_text())
    }
    explained = {
        number
        for first, last in re.findall(r"^\| u(\d\d)(?:\u2013u(\d\d))? \|", GLOSSARY, re.M)
        for number in range(int(first), int(last or first) + 1)
    }

    assert numbers
    assert numbers <= explained == set(range(1, 61))
