"""console → approvals ← agents, console → agents; inside the domain its stages → policy → models ← evidence."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STAGES = [f"approvals.{stage}" for stage in ("requests", "decisions", "execution", "workload", "notify")]
FORBIDDEN = {
    "approvals": {"console", "agents", "channels", "rest_framework", "django_htmx"},
    "agents": {"console", "django_htmx"},
    # What everything stands on knows nothing of what stands on it.
    "approvals/values": {"approvals.models", "approvals.policy", "approvals.people", "approvals.history", *STAGES},
    "approvals/db": {"approvals.models", "approvals.policy", "approvals.people", "approvals.history", *STAGES},
    "approvals/models": {"approvals.policy", "approvals.people", "approvals.history", "approvals.evidence", *STAGES},
    "approvals/policy": {"approvals.history.audit", "approvals.evidence", "approvals.autonomy", *STAGES},
    # Levels and breakers: changed by what evidence counts and by incidents, and read by policy from the models.
    "approvals/autonomy": {"approvals.evidence", "approvals.requests", "approvals.decisions", "approvals.execution"},
    "approvals/history": {"approvals.people", "approvals.evidence", *STAGES},
    # It changes no approval; what it certifies is said on the chain of what concerns none.
    "approvals/evidence": {"approvals.people", "approvals.history.audit", *STAGES},
    **{wing.replace(".", "/"): {"approvals.evidence"} for wing in ("approvals.people", *STAGES)},
    # The demo agent is an agent like any other: it knows the wire and nothing of the house.
    "agents/demo": {"django", "approvals"},
    # The client SDK is a distribution of its own: it knows nothing of this house, and of the outside only httpx.
    "agents/sdk/src": {"django", "approvals", "agents", "console", "rest_framework", "channels", "celery", "tests"},
}


def imports(path: Path) -> set[str]:
    modules = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return modules


def breaks(module: str, forbidden: set[str]) -> bool:
    return any(module == one or module.startswith(one + ".") for one in forbidden)


def breaks_any(modules: set[str], forbidden: set[str]) -> bool:
    return any(breaks(module, forbidden) for module in modules)


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


def test_the_domain_knows_no_urls():
    """Ids go to `approvals.links`, addresses come out. The pages of the admin are pages."""
    wrong = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "approvals").rglob("*.py")
        if "admin" not in path.parts and breaks_any(imports(path), {"django.urls", "django.shortcuts"})
    }

    assert not wrong


@pytest.mark.parametrize("house", ["approvals", "console"])
def test_no_circle_hides_behind_a_check_for_types(house):
    """An import for types alone into the same house is a circle: the value belongs in a module of its own."""
    hidden = {
        f"{path.relative_to(ROOT)} imports {module}"
        for path in (ROOT / house).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in node.body
        if isinstance(inner, ast.ImportFrom) and (module := inner.module or "").split(".")[0] == house
    }

    assert not hidden
