"""What was measured, for people and for scripts."""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from console.bench.figure import Figure
from console.bench.memory import machine


def table(figures: Sequence[Figure]) -> str:
    """One line for each figure, below what it was measured on."""
    hardware = machine()
    head = (
        f"{datetime.now(UTC):%Y-%m-%d}, {hardware['cores']} cores of {hardware['processor']}, "
        f"{int(hardware['memory_mib']) / 1024:.0f} GiB, Python {platform.python_version()}"
    )
    widest = max(len(figure.name) for figure in figures)
    lines = [
        f"  {figure.name:<{widest}}  {_number(figure):>12} {figure.unit:<4} {_bound(figure)}" for figure in figures
    ]
    return "\n".join([head, "", *(line.rstrip() for line in lines)])


def document(figures: Sequence[Figure]) -> str:
    """The same as JSON."""
    content = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {**machine(), "python": platform.python_version()},
        "figures": [asdict(figure) for figure in figures],
    }
    return json.dumps(content, indent=2)


def _number(figure: Figure) -> str:
    if figure.unit == "/s":
        return f"{figure.value:,.0f}"
    number = f"{figure.value:.2f}" if not figure.unit else f"{figure.value:,.1f}"
    return number if figure.error is None else f"{number} ± {figure.error:,.1f}"


def _bound(figure: Figure) -> str:
    if figure.held is None:
        return ""
    return f"{figure.bound}: {'held' if figure.held else 'NOT held'}"
