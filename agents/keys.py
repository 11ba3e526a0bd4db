"""Keys of agents and personal tokens: made once, recognised fast, gone within seconds of a revocation.

The secret is shown once and stored as its SHA-256: it carries 256 bits of randomness, so a slow hash would add
nothing. Recognised keys are kept in the process for two seconds; every surface asks again after that.
"""

import base64
import hashlib
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from agents.models import ApiKey, Scope
from approvals.db import times
from approvals.history import audit
from approvals.models import Agent, SystemAuditEvent, User
from approvals.values.schema import Json

AGENT, PERSON = "asn_", "asp_"
HOUSE = "console"  # the name of the key by which this installation itself speaks as an agent
LONGEST = timedelta(days=365)  # no personal token lives longer
USUAL = timedelta(days=90)
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
    scopes: frozenset[str] = frozenset()

    @property
    def is_authenticated(self) -> bool:
        return True


_remembered_callers: dict[bytes, tuple[float, Caller]] = {}


@transaction.atomic
def issue(
    *,
    agent: Agent | None = None,
    user: User | None = None,
    name: str = "",
    scopes: Collection[str] = Scope.values,
    expires_at: datetime | None = None,
    by: User | None = None,
    secret: str = "",
) -> tuple[ApiKey, str]:
    """Make a key for an agent or a person; returns it with its secret, which cannot be read again.

    A person's token expires, and ends with the password of now. `by` is who asked for it; None stands for the command
    line. `secret` is given where this installation can work it out again.
    """
    secret = secret or (AGENT if agent else PERSON) + secrets.token_urlsafe(32)
    if user is not None:
        expires_at = min(expires_at or times.now() + USUAL, times.now() + LONGEST)
    key = ApiKey.objects.create(
        agent=agent,
        user=user,
        name=name,
        scopes=[one for one in Scope.values if one in scopes],
        prefix=secret[:12],
        hash=_digest(secret).hex(),
        password_mark=_digest(user.password).hex() if user else "",
        expires_at=expires_at,
    )
    _record(SystemAuditEvent.Kind.KEY_ISSUED, key, by, {"name": name, "scopes": list(key.scopes)})
    return key, secret


@transaction.atomic
def of_house(agent: Agent) -> str:
    """The secret of the key by which this installation itself speaks as an agent; made where there is none.

    It is an HMAC by SECRET_KEY, so that each process works it out and none stores it. Under another SECRET_KEY, or once
    it was revoked, it is another key.
    """
    Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)
    mine = ApiKey.objects.filter(agent=agent, name=HOUSE)
    revoked = mine.exclude(revoked_at=None).count()
    secret = _of_house(agent, revoked)
    in_force = list(mine.filter(revoked_at=None))
    if any(key.hash == _digest(secret).hex() for key in in_force):
        return secret
    for key in in_force:
        revoke(key)
    _, secret = issue(agent=agent, name=HOUSE, secret=_of_house(agent, revoked + len(in_force)))
    return secret


def _of_house(agent: Agent, revoked: int) -> str:
    digest = salted_hmac("assent.keys", f"{agent.pk}.{revoked}", algorithm="sha256").digest()
    return AGENT + base64.urlsafe_b64encode(digest).decode().rstrip("=")


@transaction.atomic
def revoke(key: ApiKey, *, by: User | None = None) -> None:
    """Refuse the key from now on; a second revocation keeps the time of the first."""
    if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=Now()):
        _record(SystemAuditEvent.Kind.KEY_REVOKED, key, by, {})
    _remembered_callers.clear()
    transaction.on_commit(_remembered_callers.clear)  # who was recognised meanwhile was so before it
    key.refresh_from_db(fields=["revoked_at"])


def keep_tokens(instance: User, update_fields: Collection[str] | None = None, **_: object) -> None:
    """Of a password that is about to be stored in a stronger hash and is the same: its tokens go with it.

    Django does that at a sign-in, by itself, and with nothing else of the person; a new password is known by its text.
    """
    if set(update_fields or ()) != {"password"} or getattr(instance, "_password", None) is not None:
        return
    before = User.objects.filter(pk=instance.pk).values_list("password", flat=True).first()
    if before:
        mine = ApiKey.objects.filter(user=instance, password_mark=_digest(before).hex())
        mine.update(password_mark=_digest(instance.password).hex())


def of_person(user: User) -> QuerySet[ApiKey]:
    """The personal tokens that are in force."""
    mine = ApiKey.objects.filter(user=user, revoked_at=None, password_mark=_digest(user.password).hex())
    return mine.filter(expires_at__gt=Now()).order_by("-created_at")


def _record(kind: SystemAuditEvent.Kind, key: ApiKey, by: User | None, detail: dict[str, Json]) -> None:
    owner = f"agent:{key.agent.name}" if key.agent else f"user:{key.user.username}" if key.user else ""
    audit.record(kind, by=audit.actor_of(by), subject=owner, detail={"key": key.prefix, **detail})


def who(secret: str) -> Caller | None:
    """The caller behind a secret; None for an unknown, revoked or expired key and for a deactivated person.

    Reads the database unless this process recognised the key within the last two seconds.
    """
    return who_all([secret]).get(secret)


def who_all(secrets: Collection[str]) -> dict[str, Caller]:
    """The callers behind some secrets, in one query for all; those that `who` would not recognise are left out."""
    callers = {secret: caller for secret in secrets if (caller := remembered(secret))}
    return callers | _look_up({secret for secret in secrets if secret not in callers})


def remembered(secret: str) -> Caller | None:
    """The caller if this process recognised the key lately: no database, so an event loop may ask."""
    kept = _remembered_callers.get(_digest(secret))
    return kept[1] if kept and kept[0] > time.monotonic() else None


def forget() -> None:
    """Ask the database about every key again."""
    _remembered_callers.clear()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()


def _look_up(secrets: Collection[str]) -> dict[str, Caller]:
    digests = {_digest(secret).hex(): secret for secret in secrets if secret.startswith((AGENT, PERSON))}
    if not digests:
        return {}
    rows = (
        ApiKey.objects.filter(hash__in=digests, revoked_at=None)
        .filter(Q(expires_at=None) | Q(expires_at__gt=Now()))
        .filter(Q(agent__isnull=False) | Q(user__is_active=True))
        .annotate(agent_name=F("agent__name"), now=Now())
        .values_list(
            "hash",
            "pk",
            "agent_id",
            "agent_name",
            "user_id",
            "scopes",
            "last_used_at",
            "now",
            "user__password",
            "password_mark",
        )
    )
    callers, unused = {}, []
    for digest, pk, agent_id, agent_name, user_id, scopes, last_used_at, now, password, mark in rows:
        if user_id is not None and mark != _digest(password).hex():
            continue  # made under an earlier password
        callers[digests[digest]] = Caller(pk, agent_id, agent_name or "", user_id, frozenset(scopes))
        if last_used_at is None or now - last_used_at >= _USED:
            unused.append((pk, now))
    if unused:
        # Of several processes one writes: the others find the row fresh.
        _, now = unused[0]
        stale = Q(last_used_at=None) | Q(last_used_at__lte=now - _USED)
        ApiKey.objects.filter(stale, pk__in=[pk for pk, _ in unused]).update(last_used_at=now)
    if len(_remembered_callers) + len(callers) > _KEPT_AT_MOST:
        _remembered_callers.clear()
    until = time.monotonic() + _KEPT
    _remembered_callers.update({_digest(secret): (until, caller) for secret, caller in callers.items()})
    return callers
