"""HTTP and WebSocket as far as the measurements need them, cheap enough not to be what is measured."""

import asyncio
import base64
import os
import struct
from collections.abc import Mapping
from typing import Self

HOST = "127.0.0.1"


class Unexpected(Exception):
    """The server answered something that a measurement cannot use."""


class Http:
    """One kept connection."""

    def __init__(self, port: int, headers: Mapping[str, str] | None = None) -> None:
        self.port = port
        lines = {"Host": f"{HOST}:{port}", "Accept": "*/*", **(headers or {})}
        self._lines = "".join(f"{name}: {value}\r\n" for name, value in lines.items())

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(HOST, self.port)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._writer.close()

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body."""
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{self._lines}{length}\r\n".encode() + body)
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head[9:12])
        if b"transfer-encoding: chunked" in head:
            return status, await self._chunks()
        _, _, rest = head.partition(b"content-length:")
        return status, await self._reader.readexactly(int(rest.split(b"\r\n", 1)[0] or 0))

    async def begin(self, path: str) -> None:
        """Ask for something that has no end; the answer's beginning is read. Raises Unexpected."""
        self._writer.write(f"GET {path} HTTP/1.1\r\n{self._lines}\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        if head[9:12] != b"200":
            raise Unexpected(f"GET {path}: {head[:200].decode(errors='replace')}")

    async def expect(self, status: int, method: str, path: str, body: bytes = b"") -> bytes:
        """The body of an answer with that status. Raises Unexpected."""
        got, answer = await self.ask(method, path, body)
        if got != status:
            raise Unexpected(f"{method} {path}: {got} {answer[:300].decode(errors='replace')}")
        return answer

    async def _chunks(self) -> bytes:
        parts = []
        while size := int(await self._reader.readline(), 16):
            parts.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return b"".join(parts)


class Socket:
    """An open inbox: reads the frames that the server sends."""

    def __init__(self, port: int, cookie: str, path: str = "/ws/inbox/") -> None:
        self.port, self.cookie, self.path = port, cookie, path

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(HOST, self.port, limit=2**24)
        key = base64.b64encode(os.urandom(16)).decode()
        self._writer.write(
            f"GET {self.path} HTTP/1.1\r\nHost: {HOST}:{self.port}\r\nOrigin: http://{HOST}:{self.port}\r\n"
            f"Cookie: {self.cookie}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            raise Unexpected(f"the socket was refused: {head[:200].decode(errors='replace')}")
        return self

    async def __aexit__(self, *error: object) -> None:
        self._writer.close()

    async def frame(self) -> bytes:
        """The next text frame's content; pings are answered on the way. Raises Unexpected when the server closes."""
        while True:
            first, second = await self._reader.readexactly(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack(">H", await self._reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", await self._reader.readexactly(8))
            content = await self._reader.readexactly(length)
            kind = first & 0x0F
            if kind == 1:
                return content
            if kind == 8:
                raise Unexpected(f"the server closed the socket: {content[:2].hex()}")
            if kind == 9:
                # A client must mask; a mask of zeros leaves the content as it is.
                self._writer.write(bytes([0x8A, 0x80 | len(content)]) + bytes(4) + content)
