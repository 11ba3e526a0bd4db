"""Which path of the API is which endpoint of the fake."""

import re

_ID = r"[^/]+"
# In order: the longer ones first where a run's key or an item's id may hold slashes.
ROUTES: tuple[tuple[str, str, re.Pattern[str]], ...] = tuple(
    (name, method, re.compile(pattern))
    for name, method, pattern in (
        ("whoami", "GET", "whoami"),
        ("submit", "POST", "requests"),
        ("listed", "GET", "requests"),
        ("read", "GET", f"requests/({_ID})"),
        ("decision", "GET", f"requests/({_ID})/decision"),
        ("cancel", "POST", f"requests/({_ID})/cancel"),
        ("lease", "POST", f"requests/({_ID})/lease"),
        ("amend", "POST", f"requests/({_ID})/items/(.+)/amend"),
        ("outcome", "POST", f"requests/({_ID})/items/(.+)/outcome"),
        ("evaluate", "POST", "evaluate"),
        ("consume", "POST", f"permits/({_ID})/consume"),
        ("undo", "POST", "runs/(.+)/steps/(.+)/undo"),
        ("step", "POST", "runs/(.+)/steps"),
        ("end", "POST", "runs/(.+)/end"),
        ("guidance", "GET", "runs/(.+)/guidance"),
        ("run", "GET", "runs/(.+)"),
        ("grants", "GET", "grants"),
        ("uses", "POST", f"grants/({_ID})/uses"),
        ("answer", "POST", f"questions/({_ID})/answer"),
        ("attach", "POST", "attachments"),
        ("feedback", "GET", "feedback"),
        ("incident", "POST", "incidents"),
        ("events", "GET", "events"),
        ("openapi", "GET", "openapi.json"),
    )
)
NAMES = frozenset(name for name, _, _ in ROUTES) | {"keys"}


def match_route(method: str, path: str) -> tuple[str, tuple[str, ...]] | None:
    """The endpoint's name and what its path names; None where there is none."""
    for name, route_method, pattern in ROUTES:
        if route_method == method and (match := pattern.fullmatch(path)):
            return name, match.groups()
    return None
