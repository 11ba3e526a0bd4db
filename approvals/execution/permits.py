"""Permits: what was approved, signed, so that an executor far from this database can hold an action against it.

A permit is a JWS (RFC 7515, compact) with EdDSA over Ed25519 (RFC 8037), its payload canonical JSON (RFC 8785). It
binds agent, request, item, revision and the digest of the action; `jti` is the decision, and it may be used once.
"""

import base64
import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from approvals.db import secret_box, times
from approvals.history import audit
from approvals.models import Approval, Decision, SigningKey, SystemAuditEvent, User
from approvals.values.schema import Json, canonical

PERMIT = "assent-permit+jwt"
GRANT = "assent-grant+jwt"
ALGORITHM = "EdDSA"
LEEWAY = timedelta(seconds=30)  # two machines' clocks
OVERLAP = timedelta(days=366)  # no permit is valid for longer
_FRESH = 30.0  # seconds that a process goes on with the key it knows
_SETTLED = timedelta(minutes=1)  # longer than any transaction that signs
_LOCK = 0x6B657973
_jws = jwt.PyJWS()


class BadToken(Exception):
    """A token that proves nothing; `reason` is a stable word, the text says why."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Signer:
    """The key that signs now."""

    kid: str
    private: Ed25519PrivateKey


_signer: tuple[float, str, Signer] | None = None


def permit_for(approval: Approval, decision: Decision, *, agent: str, schema_version: int, valid: timedelta) -> str:
    """The permit of a released approval that may run. Deterministic: read twice, the same bytes.

    `agent` is the agent's name, the audience; `valid` how long after the release it may be used.
    """
    released = approval.released_at or decision.decided_at
    proposal = approval.proposal
    claims: dict[str, Json] = {
        "iss": settings.ASSENT_BASE_URL,
        "aud": agent,
        "jti": str(decision.pk),
        "iat": int(released.timestamp()),
        "exp": int((released + valid).timestamp()),
        "request": str(approval.request_id),
        "item": approval.item,
        "revision": approval.revision,
        "action": proposal.name if proposal else "",
        "action_digest": approval.digest,
        "schema_version": schema_version,
        "subject": approval.subject,
        "attachments": [attachment["digest"] for attachment in proposal.attachments] if proposal else [],
        "policy_version": approval.policy_id,
    }
    return signed(claims, PERMIT)


def signed(claims: Mapping[str, Json], kind: str) -> str:
    """Claims as a compact JWS of this kind (`typ`), under the key that signs now."""
    signer = _current()
    return _jws.encode(
        canonical(dict(claims)), signer.private, algorithm=ALGORITHM, headers={"kid": signer.kid, "typ": kind}
    )


def read(token: str, kind: str, *, now: datetime) -> Mapping[str, Json]:
    """The claims of a token of this kind that one of our keys signed and that is not over.

    Raises BadToken: as `proven`, and expired.
    """
    claims = verified_claims(token, kind, now=now)
    if is_over(claims, now=now - LEEWAY):
        raise BadToken("expired", "The permit is over; ask again.")
    return claims


def is_over(claims: Mapping[str, Json], *, now: datetime) -> bool:
    """True where a token's time has passed, or where it names none."""
    ends = claims.get("exp")
    return not isinstance(ends, int) or now.timestamp() >= ends


def verified_claims(token: str, kind: str, *, now: datetime) -> Mapping[str, Json]:
    """The claims of a token of this kind that one of our keys signed, over or not.

    Raises BadToken: malformed, algorithm, unknown_key, signature, kind.
    """
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise BadToken("malformed", "This is not a signed token.") from error
    if header.get("alg") != ALGORITHM:
        raise BadToken("algorithm", f"Signed with {header.get('alg')!r}; only {ALGORITHM} counts.")
    key = SigningKey.objects.filter(_published(now), pk=str(header.get("kid", ""))).first()
    if key is None:
        raise BadToken("unknown_key", "No published key of this installation signed this.")
    try:
        payload = _jws.decode(token, Ed25519PublicKey.from_public_bytes(_unb64(key.public)), algorithms=[ALGORITHM])
    except jwt.PyJWTError as error:
        raise BadToken("signature", "The signature does not fit: the token was changed.") from error
    if header.get("typ") != kind:
        raise BadToken("kind", f"This is a token of another kind: {header.get('typ')!r}.")
    claims: Mapping[str, Json] = json.loads(payload)
    return claims


# --- Keys


def jwks(*, now: datetime) -> dict[str, Json]:
    """The public keys (RFC 7517) under which tokens that are still in force may have been signed."""
    return {
        "keys": [
            {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": ALGORITHM, "kid": key.kid, "x": key.public}
            for key in SigningKey.objects.filter(_published(now))
        ]
    }


@transaction.atomic
def rotate(*, by: User | None, overlap: timedelta = OVERLAP) -> SigningKey:
    """Make a new key sign from now on; the old one's public half stays published for `overlap`.

    Processes that know the old key sign with it for at most half a minute more.
    """
    now = times.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    SigningKey.objects.filter(retired_at=None).update(retired_at=now, published_until=now + overlap)
    made = _new_key(now)
    audit.record(SystemAuditEvent.Kind.SIGNING_KEY_ROTATED, by=audit.actor_of(by), subject=f"signing-key:{made.kid}")
    transaction.on_commit(forget)
    return made


def forget() -> None:
    """Look the signing key up again at its next use."""
    global _signer
    _signer = None


def _current() -> Signer:
    global _signer
    cached = _signer
    database = str(connection.settings_dict["NAME"])
    if cached and cached[1] == database and time.monotonic() - cached[0] < _FRESH:
        return cached[2]
    # Not under a lock of the process: a transaction that has just made the key would wait in here for one that waits
    # for it in the database, and no database sees that circle. Reading it twice harms nobody.
    key = SigningKey.objects.filter(retired_at=None).first() or _first_key()
    signer = Signer(key.kid, Ed25519PrivateKey.from_private_bytes(secret_box.open_secret(key.private)))
    # A key that this transaction made goes with it if it is rolled back: until then nobody remembers it.
    if times.now() - key.created_at > _SETTLED:
        _signer = (time.monotonic(), database, signer)
    return signer


@transaction.atomic
def _first_key() -> SigningKey:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    return SigningKey.objects.filter(retired_at=None).first() or _new_key(times.now())


def _new_key(now: datetime) -> SigningKey:
    private = Ed25519PrivateKey.generate()
    public = _b64(private.public_key().public_bytes_raw())
    thumbprint = hashlib.sha256(canonical({"crv": "Ed25519", "kty": "OKP", "x": public})).digest()
    return SigningKey.objects.create(
        kid=_b64(thumbprint), public=public, private=secret_box.seal_secret(private.private_bytes_raw()), created_at=now
    )


def _published(now: datetime) -> Q:
    return Q(retired_at=None) | Q(published_until__gt=now)


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
