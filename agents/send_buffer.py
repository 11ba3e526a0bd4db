"""What a slow reader has not taken yet.

ASGI lets `send` wait until there is room. Daphne's never does: it puts everything into Twisted's buffer, which has no
end, and gives an application no way to ask. Its `send` carries the protocol, though, and that knows its transport.
Servers whose `send` waits bound themselves; of them nothing is known here, and nothing needs to be.
"""

import asyncio

from agents.asgi import Send

_PATIENCE = 30.0  # seconds for a reader to take what it was given before


def unsent(send: Send) -> int:
    """Bytes that lie in this process for the reader."""
    transport = _transport(send)
    whole = len(getattr(transport, "dataBuffer", b"")) - int(getattr(transport, "offset", 0))
    return whole + int(getattr(transport, "_tempDataLen", 0))


async def is_stuck(send: Send, most: int, gone: "asyncio.Future[None]") -> bool:
    """Wait for a reader to make room; True when it made none."""
    end = asyncio.get_running_loop().time() + _PATIENCE
    while unsent(send) > most and not gone.done():
        if asyncio.get_running_loop().time() > end:
            return True
        await asyncio.sleep(0.05)
    return False


def cut(send: Send) -> None:
    """End the connection without waiting for what lies there to be taken."""
    abort = getattr(_transport(send), "abortConnection", None)
    if abort is not None:
        abort()


def _transport(send: Send) -> object:
    for protocol in getattr(send, "args", ()):
        transport = getattr(getattr(protocol, "channel", None), "transport", None)
        if transport is not None:
            return transport
    return None
