"""The client for code without an event loop is made of the one for coroutines."""

import importlib.util
import re
from pathlib import Path

SDK = Path(__file__).resolve().parents[2] / "agents" / "sdk"


def test_what_is_made_of_the_other_is_fresh_and_says_so():
    spec = importlib.util.spec_from_file_location("make_sync", SDK / "make_sync.py")
    make_sync = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_sync)

    assert make_sync.stale() == [], "python agents/sdk/make_sync.py"
    for module in make_sync.SYNC.glob("*.py"):
        text = module.read_text()
        assert text.startswith(make_sync.HEADER.format(name=module.name))
        assert not re.search(r"\b(async|await|asyncio)\b", text)
