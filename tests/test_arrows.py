"""console → approvals ← agents, console → agents; inside the domain review → policy → models ← evidence."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FORBIDDEN = {
    "approvals": {"console", "agents", "channels", "rest_framework", "django_htmx"},
    "agents": {"console", "django_htmx"},
    "approvals/models": {"approvals.policy", "approvals.review", "approvals.evidence", "approvals.audit"},
    "approvals/policy": {"approvals.review", "approvals.evidence", "approvals.audit"},
    "approvals/review": {"approvals.evidence"},
    "approvals/evidence": {"approvals.review"},
    # The demo agent is an agent like any other: it knows the wire and nothing of the house.
    "agents/demo": {"django", "approvals"},
    # The client SDK is a distribution of its own: it knows nothing of this house, and of the outside only httpx.
    "agents/sdk/src": {"django", "approvals", "agents", "console", "rest_framework", "channels", "celery", "tests"},
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def breaks(module: str, forbidden: set[str]) -> bool:
    return any(module == one or module.startswith(one + ".") for one in forbidden)


@pytest.mark.parametrize("house", FORBIDDEN)
def test_arrows_run_one_way(house):
    files = [path for path in (ROOT / house).rglob("*.py") if "migrations" not in path.parts]
    wrong = {
        f"{path.relative_to(ROOT)} imports {module}"
        for path in files
        for module in imports(path)
        if breaks(module, FORBIDDEN[house])
    }

    assert files
    assert not wrong
