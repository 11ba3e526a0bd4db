"""What the processes of a running Assent take of this machine's memory, shared pages counted by their share (PSS)."""

import os
import re
from collections import defaultdict
from pathlib import Path

from console.startup.terminal import Refused

PROC = Path("/proc")


def at_rest(data: Path) -> dict[str, float]:
    """MiB by the name of each process that `manage.py up` runs on `data`, its descendants included; and of itself.

    Raises Refused when nothing runs there or the numbers may not be read.
    """
    try:
        root = int((data / "lock").read_text())
        children = _children()
    except (OSError, ValueError):
        raise Refused(f"No Assent runs on {data}. Start one: manage.py up") from None
    if not (PROC / str(root)).exists():
        raise Refused(f"No Assent runs on {data}. Start one: manage.py up")
    kib_by_name = {"up": pss(root)}
    for file in sorted((data / "pids").glob("*.pid")):
        pid = int(file.read_text().split()[0])
        kib_by_name[file.stem] = sum(pss(one) for one in _tree(pid, children))
    return {name: kib / 1024 for name, kib in kib_by_name.items() if kib}


def _children() -> dict[int, list[int]]:
    children_by_parent: dict[int, list[int]] = defaultdict(list)
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # The command's name in parentheses may hold anything; what follows the last one is fixed.
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        children_by_parent[int(parent)].append(int(entry.name))
    return children_by_parent


def _tree(root: int, children: dict[int, list[int]]) -> list[int]:
    return [root, *(one for child in children.get(root, ()) for one in _tree(child, children))]


def pss(pid: int) -> int:
    """KiB of one process; 0 of one that is gone. Raises Refused where it may not be read."""
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    except PermissionError:
        raise Refused(
            f"The memory of process {pid} belongs to another user; measure as that user or as root."
        ) from None
    match = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) if match else 0


def busy(pid: int) -> float:
    """Seconds of processor that a process has used so far."""
    fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine() -> dict[str, str | int]:
    """Cores, processor and memory."""
    model = re.search(r"^model name\s*:\s*(.+)$", (PROC / "cpuinfo").read_text(), re.MULTILINE)
    total = re.search(r"^MemTotal:\s+(\d+)", (PROC / "meminfo").read_text(), re.MULTILINE)
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": model[1] if model else "unknown",
        "memory_mib": int(total[1]) // 1024 if total else 0,
    }
