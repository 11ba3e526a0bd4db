"""The one real thing that the agent does: it sends mail. Here to a mailbox on this machine that keeps every message."""

import asyncio
import hashlib
import os
import re
import smtplib
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import formatdate
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

MOST_BYTES = 256 * 1024


def send(post: smtplib.SMTP, *, message_id: str, to: str, subject: str, body: str) -> None:
    """Hand one message over. Raises ValueError when it cannot be written as mail, OSError when nobody takes it.

    The mailbox keeps one message of an id, and `kept` finds it by that: whoever sends names the same action alike.
    """
    message = EmailMessage(policy=policy.SMTPUTF8)
    message["From"] = "Northwind Support <support@northwind.example>"
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = formatdate()
    message["Message-ID"] = f"<{message_id}@northwind.example>"
    message.set_content(body)
    post.send_message(message)


def post(port: int) -> smtplib.SMTP:
    """A connection to the mailbox, to be closed by a `with`. Raises OSError when nobody listens."""
    return smtplib.SMTP("127.0.0.1", port, local_hostname="localhost", timeout=10)


def is_delivered(folder: Path, message_id: str) -> bool:
    """Whether the mailbox has this message."""
    return (folder / f"{message_id}.eml").exists()


class Mailbox:
    """Takes any mail and keeps it as one .eml file; the same Message-ID twice is one message."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Answer 250 only after the message is on disk. (The name is aiosmtpd's.)"""
        content = envelope.original_content or b""
        target = self.folder / f"{_name(content)}.eml"
        part = target.with_suffix(".part")
        part.write_bytes(content)
        try:
            os.link(part, target)  # unlike a rename it never replaces: the first copy stays
        except FileExistsError:
            return "250 Already here"
        finally:
            part.unlink()
        return "250 Kept"


async def listen(folder: Path) -> tuple[asyncio.Server, int]:
    """Open the mailbox on a free port of the loopback interface."""
    loop = asyncio.get_running_loop()
    mailbox = Mailbox(folder)

    def connection() -> SMTP:
        return SMTP(mailbox, hostname="localhost", enable_SMTPUTF8=True, data_size_limit=MOST_BYTES, loop=loop)

    server = await loop.create_server(connection, "127.0.0.1", 0)
    return server, int(server.sockets[0].getsockname()[1])


def _name(content: bytes) -> str:
    message_id = str(message_from_bytes(content, policy=policy.SMTP)["Message-ID"] or "")
    plain = re.fullmatch(r"\s*<([a-z0-9-]{1,100})@[a-z0-9.-]+>\s*", message_id)
    return plain[1] if plain else hashlib.sha256(message_id.encode() or content).hexdigest()
