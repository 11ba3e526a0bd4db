"""The approver at the terminal: a person decides here, for development, and only for development."""

import io

import pytest

import assent
from assent import terminal

REFUND = {"order": "456", "amount": "420.00"}


class Sitting:
    """Somebody at the keyboard, who types these lines."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.out = io.StringIO()

    def __call__(self, prompt: str) -> str:
        self.out.write(prompt)
        if not self.lines:
            raise EOFError
        return self.lines.pop(0)

    @property
    def seen(self) -> str:
        return self.out.getvalue()


@pytest.fixture(autouse=True)
def nowhere(monkeypatch):
    monkeypatch.delenv("ASSENT_URL", raising=False)


def pay(sitting: Sitting, **asking) -> dict:
    with terminal.client(read=sitting, out=sitting.out) as client, client.guard("refund", REFUND, **asking) as go:
        return go.args


def test_what_is_approved_runs_as_shown():
    sitting = Sitting("a")
    assert pay(sitting, reasoning="The photo shows it.") == REFUND
    assert 'amount  "420.00"' in sitting.seen
    assert 'the agent\'s reasoning: "The photo shows it."' in sitting.seen


def test_a_modification_is_a_line_of_json():
    sitting = Sitting("x", "m", "{", "[1]", '{"order": "456", "amount": "200.00"}')
    assert pay(sitting)["amount"] == "200.00"
    assert "This is not JSON" in sitting.seen and "Arguments are an object" in sitting.seen


def test_a_rejection_has_a_reason():
    sitting = Sitting("r", "  ", "too much")
    with pytest.raises(assent.Rejected, match="too much"):
        pay(sitting)
    assert "A rejection needs a reason." in sitting.seen


def test_a_question_is_answered_in_words_or_in_json():
    sitting = Sitting("a", "Tuesday", "a", "nonsense", "3")
    with terminal.client(read=sitting, out=sitting.out) as client:
        assert client.wait(client.ask("When?")).answer == "Tuesday"
        assert client.wait(client.ask("How many?", {"type": "integer"})).answer == 3


async def test_coroutines_wait_without_stopping_the_loop():
    async with (
        terminal.async_client(read=Sitting("a"), out=io.StringIO()) as client,
        client.guard("refund", REFUND) as go,
    ):
        assert go.args == REFUND


def test_when_the_input_ends_nothing_is_approved():
    with pytest.raises(assent.AssentError, match="nothing is approved"):
        pay(Sitting())


def test_what_the_agent_writes_cannot_draw_on_the_terminal():
    sitting = Sitting("a")
    pay(sitting, summary="fine\x1b[2J\r\u202eevil", context={"\x1b]0;x\x07": "\u200b"})
    assert not set(sitting.seen) & {"\x1b", "\r", "\u202e", "\u200b", "\x07"}
    assert "\\u001b[2J" in sitting.seen


def test_it_needs_somebody_there_and_does_not_stand_in_for_reviewers(monkeypatch):
    with pytest.raises(terminal.NoTerminal, match="not a TTY"):
        terminal.client()
    monkeypatch.setenv("ASSENT_URL", "https://assent.example.com")
    with pytest.raises(terminal.NoTerminal, match=r"assent\.example\.com"):
        terminal.client(read=Sitting("a"))
    with terminal.client(read=Sitting("a"), beside_gateway=True, out=io.StringIO()) as client:
        assert client.settings.url != "https://assent.example.com"
