"""A service that people are told by, as a real HTTP server on loopback; and channels that lead there."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from approvals.db import secret_box, times
from approvals.models import Channel, Domain, Tier, User
from approvals.notify import sending


@dataclass
class NotificationReceiver:
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
def sink(settings) -> Iterator[NotificationReceiver]:
    receiver = NotificationReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if receiver.hang is not None:
                receiver.hang.wait(30)
            if receiver.status == 200:
                receiver.got.append(json.loads(body))
            self.send_response(receiver.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_port
    settings.ASSENT_TELL_PRIVATE = [f"127.0.0.1:{server.server_port}"]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield receiver
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
            kept=secret_box.seal_secret((url or sink.url).encode()),
            **fields,
        )

    return make


def carry_all(at: datetime | None = None) -> None:
    """As the clock and a worker do: carry whatever is ready now, or at that moment."""
    with times.at(at or times.now()):
        for pk in sending.ready():
            sending.send_due(pk)


def later(**span: float) -> datetime:
    return times.now() + timedelta(**span)
