"""The document is what the server does: schemathesis sends what it allows and what it does not.

No 500, no status and no shape that the document does not name, nothing taken that it forbids.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from agents import keys

SECONDS = {"agents": 45, "people": 20}
# A stream without end, and files of several formats: both are tried by tests of their own.
APART = ("listen", "attach")


# What the schema of a body cannot say (an action type that there is, an id that is used once) is answered 422, too.
CONFIG = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422"]
# What is wrong may be too large as well, and is then not read.
negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422"]

# Of several requests in one body each is answered by itself: 200, with a problem in the place of the one that is wrong.
[[operations]]
include-operation-id = "submit_bulk"
checks = { negative_data_rejection.enabled = false }
"""
OPERATION = """
[[operations]]
include-operation-id = "{name}"
parameters = {{ {parameters} }}
"""


@pytest.fixture
def schemathesis(web, tmp_path):
    """Let it loose on the operations of a tag, with a key, and with what there is to find:
    schemathesis("agents", secret, read_request={"path.id": …})."""

    def run(tag: str, secret: str, **paths: dict[str, object]) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("schemathesis")
        config = tmp_path / "schemathesis.toml"
        operations = [
            OPERATION.format(name=name, parameters=", ".join(f'"{key}" = "{value}"' for key, value in path.items()))
            for name, path in paths.items()
        ]
        config.write_text("".join([CONFIG, *operations]))
        return subprocess.run(
            [
                *(program, "--config-file", config, "run", f"{web.url}/api/v1/openapi.json"),
                *("--header", f"Authorization: Bearer {secret}"),
                *("--include-tag", tag),
                *(part for name in APART for part in ("--exclude-operation-id", name)),
                *("--phases", "examples,coverage,fuzzing", "--max-time", str(SECONDS[tag]), "--seed", "981"),
                *("--request-timeout", "20", "--continue-on-failure"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
        )

    return run


@pytest.fixture
def robots_key(robot, refunds, monkeypatch) -> str:
    keys.forget()
    return keys.issue(agent=robot, name="schemathesis")[1]


@pytest.fixture
def many_calls(monkeypatch):
    """What a key may call is another test's."""
    monkeypatch.setenv("ASSENT_KEY_RATE", "1000000")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_agents_call_answers_as_the_document_says(many_calls, robots_key, propose, schemathesis):
    request = {"path.id": propose().request_id}
    item = {**request, "path.item": "call_1"}

    ended = schemathesis(
        "agents",
        robots_key,
        read_request=request,
        read_decision=request,
        lease_request=request,
        cancel_request=request,
        amend_item={**item, "path.id": propose(order="9").request_id},
        report_outcome=item,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_what_peoples_tools_call_answers_as_the_document_says(many_calls, alice, refund, schemathesis):
    keys.forget()
    card = {"path.id": refund.pk}

    ended = schemathesis(
        "people",
        keys.issue(user=alice, name="schemathesis")[1],
        read_card=card,
        claim=card,
        decide=card,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
