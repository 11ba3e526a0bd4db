"""The two ways to the fake: an httpx transport in this process, and a server on the loopback interface for others."""

import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

import anyio
import httpx

from assent.testing.calls import Call, Reply

if TYPE_CHECKING:
    from assent.testing.gateway import FakeGateway

_API = "/api/v1/"
_LOOKS = 0.01  # seconds between two looks at a decision that is waited for


class Transport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Carries the calls of any httpx client, sync or async, to a fake gateway."""

    def __init__(self, gateway: "FakeGateway") -> None:
        self._gateway = gateway

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        call = _call(request)
        ends = time.monotonic() + self._gateway.hold_seconds(call)
        while (reply := _carried(self._gateway, call, request)).status == 202 and time.monotonic() < ends:
            time.sleep(_LOOKS)
        return _response(self._gateway, call, reply, request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        call = _call(request)
        ends = time.monotonic() + self._gateway.hold_seconds(call)
        while (reply := _carried(self._gateway, call, request)).status == 202 and time.monotonic() < ends:
            await anyio.sleep(_LOOKS)
        return _response(self._gateway, call, reply, request)


class NotReached(Exception):
    """The call did not arrive, or its answer was lost; `arrived` says which."""

    def __init__(self, *, arrived: bool) -> None:
        super().__init__("the answer was lost" if arrived else "nothing listens there")
        self.arrived = arrived


def _call(request: httpx.Request) -> Call:
    headers = {name.lower(): value for name, value in request.headers.items()}
    return Call(request.method, request.url.path, dict(request.url.params), headers, request.content)


def _carried(gateway: "FakeGateway", call: Call, request: httpx.Request) -> Reply:
    try:
        return gateway.reply(call)
    except NotReached as error:
        kind = httpx.ReadTimeout if error.arrived else httpx.ConnectError
        raise kind(f"The fake gateway was told so: {error}", request=request) from None


def _response(gateway: "FakeGateway", call: Call, reply: Reply, request: httpx.Request) -> httpx.Response:
    gateway.answered(call, reply)
    headers = {"content-type": "application/json", **reply.headers}
    return httpx.Response(reply.status, headers=headers, content=reply.raw, request=request)


@contextlib.contextmanager
def served(gateway: "FakeGateway") -> Iterator[str]:
    """The same gateway for other processes; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(gateway))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(gateway: "FakeGateway") -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            call = Call(self.command, unquote(parts.path), query, headers, raw)
            ends = time.monotonic() + gateway.hold_seconds(call)
            try:
                while (reply := gateway.reply(call, strict=False)).status == 202 and time.monotonic() < ends:
                    time.sleep(_LOOKS)
            except NotReached:
                self.close_connection = True
                return
            gateway.answered(call, reply)
            self.send_response(reply.status)
            headers = {"content-type": "application/json", **reply.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.raw)))
            self.end_headers()
            self.wfile.write(reply.raw)

        do_GET = do_POST = _answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler
