"""The SDK of this tree is found by whatever runs in the environment that `manage.py` made."""

import subprocess
import sys
from pathlib import Path

from console.startup import bootstrap


def test_a_process_anywhere_imports_this_trees_sdk(tmp_path):
    where = subprocess.run(
        [sys.executable, "-c", "import assent; print(assent.__file__)"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )

    assert Path(where.stdout.strip()).is_relative_to(bootstrap.SDK), where.stderr


def test_a_link_to_another_tree_is_put_right(tmp_path, monkeypatch):
    monkeypatch.setattr(bootstrap.sysconfig, "get_path", lambda name: str(tmp_path))
    (tmp_path / "assent-sdk.pth").write_text("/another/tree\n")

    bootstrap.link_sdk()

    assert (tmp_path / "assent-sdk.pth").read_text() == f"{bootstrap.SDK}\n"
