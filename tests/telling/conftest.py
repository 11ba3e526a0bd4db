"""A service that people are told by, as a real HTTP server on loopback; and channels that lead there."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from approvals import times, vault
from approvals.models import Channel, Domain, Tier, User
from approvals.review import notices


@dataclass
class Sink:
    """What arrived, and what it answers."""

    port: int = 0
    status: int = 200
    got: list[dict[str, str]] = field(default_factory=list)
    hang: threading.Event | None = None

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/secret-token-of-ana"

    @property
    def texts(self) -> list[str]:
        return [f"{one['title']}\n{one['message']}" for one in self.got]


@pytest.fixture
def sink(settings) -> Iterator[Sink]:
    found = Sink()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if found.hang is not None:
                found.hang.wait(30)
            if found.status == 200:
                found.got.append(json.loads(body))
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    settings.ASSENT_TELL_PRIVATE = [f"127.0.0.1:{server.server_port}"]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def channel(sink) -> Callable[..., Channel]:
    """Give a person or a tier a channel to the sink: channel(alice), channel(tier=1, carries="urgent")."""

    def make(user: User | None = None, *, tier: int | None = None, url: str = "", **fields: object) -> Channel:
        domain: Domain | None = fields.pop("domain", None)
        return Channel.objects.create(
            user=user,
            tier=Tier.objects.get(pk=tier) if tier else None,
            domain=domain,
            service=fields.pop("service", "json"),
            kept=vault.keep((url or sink.url).encode()),
            **fields,
        )

    return make


def carry_all(at: datetime | None = None) -> None:
    """As the clock and a worker do: carry whatever is ready now, or at that moment."""
    with times.at(at or times.now()):
        for pk in notices.ready():
            notices.carry(pk)


def later(**span: float) -> datetime:
    return times.now() + timedelta(**span)
