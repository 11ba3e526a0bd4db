"""Makes `assent.sync` of `assent.aio`: `python make_sync.py` writes it, and a test holds that it is fresh.

The code for coroutines is the one that is written by hand. Its names, its `async` and `await`, and the sentences below
become those of code without an event loop; what is more than that stands in modules that both use.
"""

import re
import subprocess
import sys
from pathlib import Path

AIO = Path(__file__).parent / "src" / "assent" / "aio"
SYNC = AIO.parent / "sync"
HEADER = "# Made by agents/sdk/make_sync.py of assent/aio/{name}: change that one.\n\n"
# In this order.
SENTENCES = (
    ("class AsyncAssent:", "class Assent(WithCoroutines):"),
    ("from assent.core import Core,", "from assent.coroutines import WithCoroutines\nfrom assent.core import Core,"),
    ("A plain function raises TypeError: it needs `Assent`.", "Coroutine functions stay coroutine functions."),
    (" `assent.sync` is made of it by `agents/sdk/make_sync.py`.", ""),
    ("for coroutines", "for code without an event loop"),
    ("between coroutines", "between threads"),
    ("T | Awaitable[T]", "T"),
    ("coroutines=True", "coroutines=False"),
    ("asyncio.sleep", "time.sleep"),
    ("import asyncio\n", "import time\n"),
    ("an `async with`", "a `with`"),
)  # fmt: skip
WORDS = (
    (r"\basync (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\b__a(enter|exit)__", r"__\1__"),
    (r"\ba(read|iter_lines)\b", r"\1"),
    (r"\basync_(?=[a-z])", ""),
    (r"\b([a-z]+)_async\b", r"\1"),
    (r"\bassent\.aio\b", "assent.sync"),
)


def made(source: Path) -> str:
    """The module for code without an event loop, as it is to stand in its file."""
    text = source.read_text()
    for before, after in SENTENCES:
        text = text.replace(before, after)
    for pattern, replacement in WORDS:
        text = re.sub(pattern, replacement, text)
    text = HEADER.format(name=source.name) + text
    for command in (["check", "--fix-only", "--quiet", "--select", "F401,I"], ["format", "--quiet"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(SYNC / source.name), "-"]
        text = subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout  # noqa: S603
    return text


def stale() -> list[str]:
    """The names of modules that are not as they would be made now, and of those that have no source."""
    names = {source.name for source in AIO.glob("*.py")}
    written = {module.name: module.read_text() for module in SYNC.glob("*.py")}
    return sorted({name for name in names if written.get(name) != made(AIO / name)} | (written.keys() - names))


if __name__ == "__main__":
    for source in AIO.glob("*.py"):
        (SYNC / source.name).write_text(made(source))
