"""Keys of agents and personal tokens: made once, recognised fast, gone within seconds of a revocation.

The secret is shown once and stored as its SHA-256: it carries 256 bits of randomness, so a slow hash would add
nothing. Recognised keys are kept in the process for two seconds; every surface asks again after that.
"""

import hashlib
import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import F, Q
from django.db.models.functions import Now

from agents.models import ApiKey
from approvals.models import Agent, User

AGENT, PERSON = "asn_", "asp_"
_KEPT = 2.0  # seconds; a revocation must hold everywhere within five
_KEPT_AT_MOST = 10_000
_USED = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who presents a key: an agent or a person, never both."""

    key_id: UUID
    agent_id: UUID | None
    agent_name: str
    user_id: UUID | None

    @property
    def is_authenticated(self) -> bool:
        return True


_known: dict[bytes, tuple[float, Caller]] = {}


def issue(
    *, agent: Agent | None = None, user: User | None = None, name: str = "", expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """Make a key for an agent or a person; returns it with its secret, which cannot be read again."""
    secret = (AGENT if agent else PERSON) + secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        agent=agent,
        user=user,
        name=name,
        prefix=secret[:12],
        hash=_digest(secret).hex(),
        expires_at=expires_at,
    )
    return key, secret


def revoke(key: ApiKey) -> None:
    """Refuse the key from now on; a second revocation keeps the time of the first."""
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now())
    _known.clear()
    key.refresh_from_db(fields=["revoked_at"])


def who(secret: str) -> Caller | None:
    """The caller behind a secret; None for an unknown, revoked or expired key and for a deactivated person.

    Reads the database unless this process recognised the key within the last two seconds.
    """
    return remembered(secret) or _look_up(secret)


def remembered(secret: str) -> Caller | None:
    """The caller if this process recognised the key lately: no database, so an event loop may ask."""
    kept = _known.get(_digest(secret))
    return kept[1] if kept and kept[0] > time.monotonic() else None


def forget() -> None:
    """Ask the database about every key again."""
    _known.clear()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def _look_up(secret: str) -> Caller | None:
    if not secret.startswith((AGENT, PERSON)):
        return None
    digest = _digest(secret)
    row = (
        ApiKey.objects.filter(hash=digest.hex(), revoked_at=None)
        .filter(Q(expires_at=None) | Q(expires_at__gt=Now()))
        .filter(Q(agent__isnull=False) | Q(user__is_active=True))
        .annotate(agent_name=F("agent__name"), now=Now())
        .values_list("pk", "agent_id", "agent_name", "user_id", "last_used_at", "now")
        .first()
    )
    if row is None:
        return None
    pk, agent_id, agent_name, user_id, last_used_at, now = row
    if last_used_at is None or now - last_used_at >= _USED:
        # Of several processes one writes: the others find the row fresh.
        stale = Q(last_used_at=None) | Q(last_used_at__lte=now - _USED)
        ApiKey.objects.filter(stale, pk=pk).update(last_used_at=now)
    caller = Caller(pk, agent_id, agent_name or "", user_id)
    if len(_known) >= _KEPT_AT_MOST:
        _known.clear()
    _known[digest] = (time.monotonic() + _KEPT, caller)
    return caller
