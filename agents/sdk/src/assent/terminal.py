"""An approver for development: the person at this terminal decides. No server, and nothing for production.

    client = assent.terminal.client()      # or async_client(); everything else of the program stays as it is

It runs only where somebody sits (a TTY), and not beside a real gateway unless told, so that a developer's own yes
never stands in for a reviewer's.
"""

import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import TextIO

import anyio.to_thread
import httpx

from assent.aio.client import AsyncAssent
from assent.errors import AssentError
from assent.screen import value, visible
from assent.shapes import Json, Object
from assent.sync.client import Assent
from assent.testing import Answer, AskedItem, FakeGateway
from assent.testing.records import ANSWER, APPROVE, MODIFY, REJECT, SKIP
from assent.testing.routes import match_route
from assent.testing.transport import Transport

LINE = "─" * 72
_LONG = 600  # characters of one value that are shown
Read = Callable[[str], str]


class NoTerminal(AssentError):
    """The terminal approver does not run here; the text says why and what helps."""


def client(
    *, agent: str = "developer", beside_gateway: bool = False, read: Read = input, out: TextIO | None = None
) -> Assent:
    """A client whose approvals are asked for in this terminal.

    `beside_gateway` lets it run although ASSENT_URL points at a real one. Raises NoTerminal.
    """
    approver = Approver(agent, beside_gateway=beside_gateway, read=read, out=out)
    return Assent(approver.url, approver.key, agent=agent, state=_folder(), transport=approver.transport)


def async_client(
    *, agent: str = "developer", beside_gateway: bool = False, read: Read = input, out: TextIO | None = None
) -> AsyncAssent:
    """The same for asyncio. Raises NoTerminal."""
    approver = Approver(agent, beside_gateway=beside_gateway, read=read, out=out)
    return AsyncAssent(approver.url, approver.key, agent=agent, state=_folder(), transport=approver.transport)


def _folder() -> str:
    # This gateway forgets everything at the end of the process; a journal that outlived it would not fit the next.
    return tempfile.mkdtemp(prefix="assent-terminal-")


class Approver(FakeGateway):
    """A gateway in this process whose reviewer is the person at the terminal. Raises NoTerminal."""

    def __init__(
        self,
        agent: str = "developer",
        *,
        beside_gateway: bool = False,
        read: Read = input,
        out: TextIO | None = None,
    ) -> None:
        if read is input and not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise NoTerminal("Nobody sits at this terminal (not a TTY), so nobody can approve here.")
        elsewhere = os.environ.get("ASSENT_URL", "")
        if elsewhere and not beside_gateway:
            raise NoTerminal(
                f"ASSENT_URL points at {elsewhere}, where reviewers decide. Unset it for development, or say "
                "beside_gateway=True to decide here in their place."
            )
        super().__init__(agent)
        self.transport = _ApprovingTransport(self)
        self._read, self._out = read, out or sys.stdout
        self._one_at_a_time = threading.Lock()

    def decide(self, request: str) -> None:
        """Ask for whatever still waits in a request. Raises NoTerminal when the input ends."""
        with self._one_at_a_time:
            fake_request = self.state.requests.get(request)
            for asked_item in fake_request.items if fake_request else ():
                if fake_request and asked_item.status == "pending":
                    self.state.settle(fake_request, asked_item, self._ask_person(asked_item))

    def _ask_person(self, asked_item: AskedItem) -> Answer:
        self._show(asked_item)
        while True:
            choice = self._line(_CHOICES[asked_item.subject]).strip().lower()[:1]
            match choice, asked_item.subject:
                case "a", "action" | "plan":
                    return Answer(APPROVE)
                case "a", "question":
                    return Answer(ANSWER, answer=self._answer(asked_item))
                case "m", "action":
                    return Answer(MODIFY, args=self._arguments(asked_item))
                case "r", "action" | "plan":
                    return Answer(REJECT, message=self._reason())
                case "s", _:
                    return Answer(SKIP)
            self._say("Please choose one of these.")

    def _show(self, asked_item: AskedItem) -> None:
        where = f"  run {visible(asked_item.run)}" if asked_item.run else ""
        self._say(LINE, f"{visible(asked_item.action)}{where}")
        if asked_item.subject == "action":
            args = asked_item.args if isinstance(asked_item.args, dict) else {"": asked_item.args}
            width = max((len(visible(name)) for name in args), default=0)
            for name, content in args.items():
                self._say(f"  {visible(name).ljust(width)}  {value(content, longest=_LONG)}")
        else:
            self._say(f"  {value(asked_item.args, longest=4 * _LONG)}")
        for name in ("summary", "reasoning", "context", "preconditions", "current", "alternatives"):
            if content := asked_item.sent.get(name):
                self._say(f"the agent's {name}: {value(content, longest=_LONG)}")

    def _arguments(self, asked_item: AskedItem) -> Object:
        """Other arguments, from a line of JSON that begins as what was proposed."""
        proposed = json.dumps(asked_item.args, ensure_ascii=False)
        while True:
            line = self._line("arguments as JSON: ", begin=proposed)
            try:
                arguments: Json = json.loads(line)
            except ValueError as error:
                self._say(f"This is not JSON: {error}")
                continue
            if isinstance(arguments, dict):
                return arguments
            self._say("Arguments are an object: {…}.")

    def _answer(self, asked_item: AskedItem) -> Json:
        question = asked_item.args if isinstance(asked_item.args, dict) else {}
        if not question.get("response_schema"):
            return self._line("answer: ")
        while True:
            try:
                answer: Json = json.loads(self._line("answer as JSON: "))
            except ValueError as error:
                self._say(f"This is not JSON: {error}")
            else:
                return answer

    def _reason(self) -> str:
        while not (reason := self._line("reason (the agent reads it): ").strip()):
            self._say("A rejection needs a reason.")
        return reason

    def _line(self, prompt: str, *, begin: str = "") -> str:
        hooked = _begin_with(begin) if begin and self._read is input else None
        try:
            return self._read(prompt)
        except EOFError as error:
            raise NoTerminal("The input ended before anything was decided; nothing is approved.") from error
        finally:
            if hooked:
                hooked()

    def _say(self, *lines: str) -> None:
        print(*lines, sep="\n", file=self._out, flush=True)


_CHOICES = {
    "action": "[a]pprove  [m]odify  [r]eject  [s]kip > ",
    "plan": "[a]pprove  [r]eject  [s]kip > ",
    "question": "[a]nswer  [s]kip > ",
}


class _ApprovingTransport(Transport):
    """Has the person decide when somebody waits for the decision."""

    def __init__(self, approver: Approver) -> None:
        super().__init__(approver)
        self._approver = approver

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._decide(request)
        return super().handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        # A person takes longer than an event loop can stand still.
        await anyio.to_thread.run_sync(self._decide, request)
        return await super().handle_async_request(request)

    def _decide(self, request: httpx.Request) -> None:
        endpoint = match_route(request.method, request.url.path.removeprefix("/api/v1/"))
        if endpoint and endpoint[0] == "decision" and "wait" in request.url.params:
            self._approver.decide(endpoint[1][0])


def _begin_with(text: str) -> Callable[[], None] | None:
    """Let the next line begin with some text, where the terminal can; returns what ends that."""
    try:
        import readline
    except ImportError:
        return None
    readline.set_startup_hook(lambda: readline.insert_text(text))
    return readline.set_startup_hook
