"""What nothing of the product uses is not there. Tests alone keep nothing alive."""

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Found by their base class or place, by Django, Celery, the REST framework or daphne.
BY_FRAMEWORK = {"AppConfig", "Command", "Migration", "OpenApiAuthenticationExtension"}
BY_NAME = {
    "handler500",  # Django's name for it
    "AtOnce",  # the first migration
    "sent_by_agents",  # what the client's fake gateway was written with
    # Tables of what becomes of each column, held against the model by tests/decisions/test_revising.py.
    *("COMPUTED_OF_PROPOSAL", "OF_ATTEMPTS", "ENTERING", "LEFT_ALONE", "COPIED", "OWN"),
}


def sources(*suffixes: str) -> list[Path]:
    """The product's files with these suffixes; the client is a library, whose functions others call."""
    return [
        path
        for wing in ("approvals", "agents", "console", "templates", "static")
        for path in (ROOT / wing).rglob("*")
        if path.suffix in suffixes and "migrations" not in path.parts and "sdk" not in path.parts
    ]


def registered(node: ast.AST) -> bool:
    """By a decorator, such as an admin page, a receiver or a periodic task."""
    decorators = [ast.unparse(decorator) for decorator in getattr(node, "decorator_list", ())]
    return any(re.search(r"register|receiver|shared_task|connect", decorator) for decorator in decorators)


def made(node: ast.stmt) -> str:
    """The name that a statement of a module makes; "" for others."""
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return ""


def test_every_name_of_a_module_is_used_by_the_product():
    used = Counter()
    for path in sources(".py", ".html", ".svg", ".md", ".js"):
        used.update(re.findall(r"\w+", path.read_text()))
    unused = [
        f"{path.relative_to(ROOT)}: {made(node)}"
        for path in sources(".py")
        for node in ast.parse(path.read_text()).body
        if made(node)
        and used[made(node)] == 1
        and not made(node).startswith("__")
        and not (registered(node) and not path.match("templatetags/*"))
        and not {ast.unparse(base).rpartition(".")[2] for base in getattr(node, "bases", ())} & BY_FRAMEWORK
        and made(node) not in BY_NAME
        and not path.match("console/settings.py")
        and not path.match("formats.py")
    ]

    assert not unused
