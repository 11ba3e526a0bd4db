"""The core needs httpx and nothing else."""

import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).parents[1] / "src"
ALONE = """
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder

ALLOWED = {"httpx", "httpcore", "h11", "anyio", "sniffio", "certifi", "idna", "assent"}

class OnlyThese:
    @staticmethod
    def find_spec(name, path=None, target=None):
        top = name.partition(".")[0]
        known = top in sys.stdlib_module_names or top in ALLOWED
        return PathFinder.find_spec(name, path, target) if known else None

sys.meta_path[:] = [BuiltinImporter, FrozenImporter, OnlyThese]
sys.path.insert(0, sys.argv[1])
import assent
from assent import tokens
from assent.testing import FakeGateway

fake = FakeGateway()
fake.approve()
client = assent.Assent(fake.url, fake.key, transport=fake.transport, state=sys.argv[2])
assert client.call("refund", {"amount": "1.00"}, lambda amount: amount) == "1.00"
assert not tokens.can_verify()
fake.forge("algorithm")
try:
    client.call("refund", {"amount": "1.00"}, lambda amount: amount)
except assent.PermitRefused as refused:
    print(refused)
print(sorted(name for name in ("cryptography", "django", "approvals", "rfc8785") if name in sys.modules))
"""


def test_it_asks_verifies_and_runs_with_httpx_alone(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(SRC), str(tmp_path)], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["The permit says that it is signed with 'none'; only EdDSA counts.", "[]"]
