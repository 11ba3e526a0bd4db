"""The demo agent's mails, as the local sink received them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from console.http import ConsoleRequest, is_fragment

MOST = 50


@dataclass(frozen=True, slots=True)
class Mail:
    """One delivered mail; every text of it is the agent's."""

    to: str
    sender: str
    subject: str
    text: str
    at: datetime


@login_required
@require_safe
def mail(request: ConsoleRequest) -> HttpResponse:
    """The delivered mails, newest first; the list alone for htmx. Only where the demo runs."""
    if not settings.ASSENT_DEMO:
        raise Http404
    return render(request, "_demo_mail.html" if is_fragment(request) else "demo_mail.html", {"mails": delivered()})


def delivered() -> list[Mail]:
    folder = Path(settings.ASSENT_DATA) / "demo" / "mail"
    files = sorted(folder.glob("*.eml"), key=lambda file: file.stat().st_mtime, reverse=True)[:MOST]
    return [_read(file) for file in files]


def _read(file: Path) -> Mail:
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    body = message.get_body(("plain",)) if isinstance(message, EmailMessage) else None
    text = body.get_payload(decode=True) if body else b""
    return Mail(
        to=str(message["To"] or ""),
        sender=str(message["From"] or ""),
        subject=str(message["Subject"] or ""),
        # Whatever charset it names: a mail that lies about it is shown all the same.
        text=text.decode(errors="replace") if isinstance(text, bytes) else "",
        at=datetime.fromtimestamp(file.stat().st_mtime, UTC),
    )
