"""A process that makes one call of an agent and one click of a person, and says whose functions ran for each.

Both go through the site as it is served, after the same was done once: what is loaded and remembered once is not
counted. A file counts where a function of it was entered, in whatever thread, until what follows the commit is out.
"""

import asyncio
import json
import os
import re
import sys
import threading
from types import FrameType
from typing import Any
from urllib.parse import urlencode

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
django.setup()

from agents import push  # noqa: E402  # needs the settings
from console.asgi import application  # noqa: E402
from console.bench.load import body  # noqa: E402
from console.bench.stage import ROOT  # noqa: E402

OURS = tuple(f"{ROOT}/{package}/" for package in ("approvals", "agents", "console"))
BENCH = f"{ROOT}/console/bench/"
_CARD = re.compile(r'<form[^>]* action="([^"]*/decide/[^"]*)".*?</form>', re.DOTALL)
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


class CallTrace:
    """The files of this project whose functions were entered since the last `start`."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def _note(self, frame: FrameType, event: str, argument: object) -> None:
        name = frame.f_code.co_filename
        if event == "call" and name.startswith(OURS) and not name.startswith(BENCH) and frame.f_code.co_name[0] != "<":
            self.files.add(name.removeprefix(f"{ROOT}/"))

    def start(self) -> None:
        self.files = set()

    def stop(self) -> list[str]:
        push.flush()
        return sorted(self.files)


async def ask(method: str, path: str, headers: dict[str, str], content: bytes = b"") -> tuple[int, dict[str, str], str]:
    """One call of the site: status, headers and body."""
    sent: list[dict[str, Any]] = []
    inbox = [{"type": "http.request", "body": content}]
    over = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not inbox:
            await over.wait()
            return {"type": "http.disconnect"}
        return inbox.pop()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": path.partition("?")[0],
        "query_string": path.partition("?")[2].encode(),
        "headers": [
            (name.lower().encode(), value.encode()) for name, value in {"host": "127.0.0.1", **headers}.items()
        ],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await application(scope, receive, send)
    over.set()
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, b"".join(message.get("body", b"") for message in sent[1:]).decode()


async def submit(key: str, number: int) -> str:
    """One request of an agent; the address of its card."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    status, _, text = await ask("POST", "/api/v1/requests", headers, body(number))
    if status != 201:
        raise SystemExit(f"submit: {status} {text[:300]}")
    return str(json.loads(text)["review_url"])


async def main() -> None:
    job = json.loads(sys.stdin.readline())
    trace = CallTrace()
    touched: dict[str, list[str]] = {}
    for number in (1, 2):
        trace.start()
        url = await submit(job["key"], number)
        touched["submit"] = trace.stop()
        path = re.sub(r"^https?://[^/]+", "", url)
        _, headers, page = await ask("GET", path, {"Cookie": job["cookie"]})
        form = _CARD.search(page)
        if form is None:
            raise SystemExit(f"no form that decides at {path}")
        fields = {**dict(_HIDDEN.findall(form[0])), "verdict": "approve"}
        token = headers.get("Set-Cookie", headers.get("set-cookie", "")).partition(";")[0]
        click = {
            "Cookie": f"{job['cookie']}; {token}",
            "Content-Type": "application/x-www-form-urlencoded",
            "HX-Request": "true",
        }
        trace.start()
        status, _, text = await ask("POST", form[1].replace("&amp;", "&"), click, urlencode(fields).encode())
        touched["approve"] = trace.stop()
        if status != 200:
            raise SystemExit(f"approve: {status} {text[:300]}")
    sys.setprofile(None)
    threading.setprofile(None)
    print(json.dumps(touched))


if __name__ == "__main__":
    asyncio.run(main())
