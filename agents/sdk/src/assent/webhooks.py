"""Webhooks: is this really from the gateway, is it fresh, and what does it say?

`verify` checks a request as Standard Webhooks 1.0 signs it: HMAC-SHA256 over id, time and the bytes of the body.
Give it the raw body, never a parsed and dumped one. Deliveries come at least once: keep the `id` of what was handled.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from assent.errors import AssentError

TOLERANCE = 300  # seconds; older deliveries may be somebody's recording
PREFIX = "whsec_"
TOPICS = frozenset(
    {
        "request.decided",
        "request.recalled",
        "request.escalated",
        "request.staged",
        "request.expired",
        "request.cancelled",
        "request.vetoed",
        "request.flagged",
        "question.asked",
        "guidance.given",
        "incident.opened",
    }
)
_VERSION = "v1"


class BadWebhook(AssentError):
    """A request that must not be acted on: answer it 400. `reason` is a stable word, the text says why."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Event:
    """What happened. `id` is the same in every delivery of the same event; `data` is as the gateway's reference says.

    `type` is one of TOPICS; a newer gateway may send others, which are best answered 204 and left alone.
    """

    id: str
    type: str
    at: datetime
    data: Mapping[str, object] = field(default_factory=dict)

    @property
    def request(self) -> str:
        """The request it is about, empty where there is none."""
        return str(self.data.get("request") or "")

    @property
    def is_known_type(self) -> bool:
        """Whether this version of the library knows the type."""
        return self.type in TOPICS


def verify(
    body: bytes,
    headers: Mapping[str, str] | Iterable[tuple[str, str]],
    secret: str | Iterable[str],
    *,
    tolerance: float = TOLERANCE,
    now: float | None = None,
) -> Event:
    """The event of a webhook request.

    `body` is the raw body, `secret` the endpoint's (`whsec_…`) or several while one is being rotated, `tolerance` how
    many seconds the delivery's clock may differ from ours. Raises BadWebhook with the reason: missing_header, time,
    too_old, too_new, signature, content. Raises ValueError for a secret that cannot be one.
    """
    keys = [_key(one) for one in ([secret] if isinstance(secret, str) else secret)]
    if not keys:
        raise ValueError("verify() needs the endpoint's secret; without one, anybody could have sent this")
    given = _lowered(headers)
    identity, stamp, signatures = (_header(given, name) for name in ("id", "timestamp", "signature"))
    _check_time(stamp, tolerance, time.time() if now is None else now)
    signed = f"{identity}.{stamp}.".encode() + body
    if not _is_signed(signed, signatures, keys):
        raise BadWebhook("signature", "No signature fits: another secret, or the body is not byte for byte as sent.")
    return _event(identity, body)


def sign(identity: str, at: int, body: bytes, secret: str) -> str:
    """The value of `webhook-signature` for one secret: what a test needs to send itself a webhook."""
    return f"{_VERSION},{_mac(f'{identity}.{at}.'.encode() + body, _key(secret))}"


def _key(secret: str) -> bytes:
    text = secret.removeprefix(PREFIX)
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ValueError(f"a webhook secret is {PREFIX} and Base64; this is neither")
    return key


def _lowered(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> dict[str, str]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return {name.lower(): value for name, value in pairs}


def _header(given: Mapping[str, str], name: str) -> str:
    value = given.get(f"webhook-{name}", "")
    if not value:
        raise BadWebhook("missing_header", f"The header webhook-{name} is missing: this is not a signed delivery.")
    return value


def _check_time(stamp: str, tolerance: float, now: float) -> None:
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise BadWebhook("time", "webhook-timestamp is not a number of seconds.")
    age = now - int(stamp)
    if age > tolerance:
        raise BadWebhook("too_old", f"Sent {age:.0f} s ago, more than the {tolerance:.0f} s that are let pass.")
    if age < -tolerance:
        raise BadWebhook("too_new", f"Sent {-age:.0f} s in the future: one of the two clocks is wrong.")


def _is_signed(signed: bytes, signatures: str, keys: Iterable[bytes]) -> bool:
    expected = [_mac(signed, key) for key in keys]
    is_match = False
    for signature in signatures.split():
        version, _, value = signature.partition(",")
        # Every comparison is made, so that the time taken says nothing.
        for mac in expected:
            is_match |= version == _VERSION and hmac.compare_digest(mac.encode(), value.encode(errors="replace"))
    return is_match


def _mac(signed: bytes, key: bytes) -> str:
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _event(identity: str, body: bytes) -> Event:
    try:
        content = json.loads(body)
        kind, data = content["type"], content["data"]
        at = datetime.fromisoformat(str(content["timestamp"]))
    except (ValueError, KeyError, TypeError) as error:
        raise BadWebhook("content", "Rightly signed, but not an event: type, timestamp and data.") from error
    if not isinstance(kind, str) or not isinstance(data, dict):
        raise BadWebhook("content", "Rightly signed, but not an event: type, timestamp and data.")
    return Event(identity, kind, at if at.tzinfo else at.replace(tzinfo=UTC), data)
