"""Endpoints of robot, and a receiver on this machine that answers as it is told."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from standardwebhooks import Webhook

from agents.webhooks import signing
from approvals.db import times
from approvals.db.ids import new_id
from approvals.models import Agent, Delivery, Endpoint
from approvals.notify import outbox
from approvals.notify.retry_policy import WEBHOOK


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Receiver:
    """What an agent runs: collects what arrives, and answers with `status` and `headers`, or as `answers` says."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.answers: Callable[[BaseHTTPRequestHandler], None] | None = None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Received(self.path, headers, body))
                if receiver.answers is not None:
                    receiver.answers(self)
                    return
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_: object) -> None:
                """A sender that hangs up in the middle is what some tests are about."""

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver(settings) -> Iterator[Receiver]:
    settings.ASSENT_WEBHOOK_PRIVATE = ["127.0.0.1"]
    running = Receiver()
    yield running
    running.stop()


@pytest.fixture
def silent_address() -> Iterator[str]:
    """The address of an endpoint that takes connections and never says anything."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as deaf:
        yield f"http://127.0.0.1:{deaf.getsockname()[1]}/"


@pytest.fixture
def endpoint(robot) -> Callable[..., Endpoint]:
    """Make an endpoint of robot: endpoint(url, topics=[…]); `it.shown` is its secret."""

    def make(url: str, *, agent: Agent = robot, **fields: object) -> Endpoint:
        kept, secret = signing.make()
        made = Endpoint.objects.create(agent=agent, url=url, secret=kept, **fields)
        made.shown = secret
        return made

    return make


@pytest.fixture
def queue() -> Callable[..., list[Delivery]]:
    """Have so many webhooks wait for an endpoint: queue(endpoint, 3)."""

    def make(endpoint: Endpoint, count: int = 1, **fields: object) -> list[Delivery]:
        now = times.now()
        given: dict[str, object] = {
            "channel": "webhook",
            "topic": outbox.DECIDED,
            "target": endpoint.url,
            "due_at": now,
            "created_at": now,
            "gives_up_at": now + WEBHOOK.gives_up_after,
            **fields,
        }
        rows = [
            Delivery(id=new_id(), endpoint=endpoint, payload={"type": "request.decided", "data": {"n": n}}, **given)
            for n in range(count)
        ]
        return Delivery.objects.bulk_create(rows)

    return make


def verified(received: Received, secret: str) -> dict:
    """What the library of the standard says of it: its content, or WebhookVerificationError."""
    return Webhook(secret).verify(received.body, received.headers)
