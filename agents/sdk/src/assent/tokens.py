"""Signed tokens (JWS, RFC 7515, EdDSA over Ed25519), read and verified without asking anybody.

Reading needs nothing; the signature needs the extra `assent[verify]`. Only one algorithm counts: what a token says of
itself is never believed, `alg: none` least of all.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from assent.core import Core
from assent.errors import PermitRefused, Unavailable
from assent.shapes import Json, Object
from assent.wire import Answer, Call, Flow, exchange, on_disk

PERMIT, GRANT = "assent-permit+jwt", "assent-grant+jwt"
LEEWAY = 30.0  # seconds: two machines' clocks
_FRESH = 3600.0  # seconds after which the keys are fetched anew
_PUBLISHED = "/.well-known/jwks.json"


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it reads. Nothing in it is proven until its signature is."""

    raw: str
    kid: str
    claims: Object

    def text(self, name: str) -> str:
        value = self.claims.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> int:
        value = self.claims.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0


def read(raw: str, kind: str = PERMIT) -> Token:
    """A token of this kind. Raises PermitRefused: malformed, algorithm, kind."""
    head, claims = _parts(raw)
    if head.get("alg") != "EdDSA":
        text = f"The permit says that it is signed with {head.get('alg')!r}; only EdDSA counts."
        raise PermitRefused(text, reason="algorithm")
    if head.get("typ") != kind:
        raise PermitRefused(f"This is a token of another kind: {head.get('typ')!r}, not {kind!r}.", reason="kind")
    if "crit" in head:
        raise PermitRefused("The permit demands something that this version does not know.", reason="malformed")
    return Token(raw, str(head.get("kid", "")), claims)


def in_time(token: Token, *, now: float | None = None) -> None:
    """Raises PermitRefused (expired)."""
    now = time.time() if now is None else now
    ends = token.number("exp")
    if now >= ends + LEEWAY:
        ago = f"{now - ends:.0f} s ago" if ends else "at no time that it names"
        raise PermitRefused(f"The permit expired {ago}; ask again.", reason="expired")


def can_verify() -> bool:
    """Whether the extra `assent[verify]` is installed."""
    try:
        import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401
    except ImportError:
        return False
    return True


def verify(token: Token, keys: Mapping[str, str]) -> None:
    """Check a token's signature; `keys` are public keys (base64url of 32 bytes) by kid.

    Raises PermitRefused (unknown_key, signature), and Unavailable without `assent[verify]`.
    """
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        raise Unavailable("A signature can only be checked with the extra: pip install 'assent[verify]'.") from None
    public = keys.get(token.kid)
    if public is None:
        raise PermitRefused("No published key of Assent's signed this permit.", reason="unknown_key")
    signed, _, signature = token.raw.rpartition(".")
    try:
        Ed25519PublicKey.from_public_bytes(_unb64(public)).verify(_unb64(signature), signed.encode())
    except (InvalidSignature, ValueError):
        text = "The signature does not fit: the permit was changed, or made by somebody else."
        raise PermitRefused(text, reason="signature") from None


def verified(core: Core, token: Token) -> Flow[None]:
    """Check a signature with the published keys, fetched again for a kid that is not known. Raises as `verify`."""
    yield from keys(core, kid=token.kid)
    verify(token, core.keys)


def keys(core: Core, *, kid: str = "") -> Flow[Mapping[str, str]]:
    """The published keys by kid, and kept in the journal for when Assent is out of reach."""
    fresh = time.monotonic() - core.keys_at < _FRESH
    if core.keys and fresh and (not kid or kid in core.keys):
        return core.keys
    got: Answer = yield from exchange(Call("GET", _PUBLISHED), patience=core.settings.patience)
    listed = got.json().get("keys")
    keys_by_id: dict[str, str] = {}
    for key in listed if isinstance(listed, list) else []:
        if isinstance(key, Mapping) and key.get("crv") == "Ed25519":
            keys_by_id[str(key.get("kid", ""))] = str(key.get("x", ""))
    core.keys, core.keys_at = keys_by_id, time.monotonic()
    yield from on_disk(lambda: core.journal.put("own", "keys", {"keys": keys_by_id}))
    return keys_by_id


def _parts(raw: str) -> tuple[Mapping[str, Json], Mapping[str, Json]]:
    try:
        head, claims, _ = raw.split(".")
        parts = [json.loads(_unb64(part)) for part in (head, claims)]
    except (ValueError, AttributeError):
        raise PermitRefused(
            "The permit is not a signed token (three parts of base64url).", reason="malformed"
        ) from None
    if not all(isinstance(one, dict) for one in parts):
        raise PermitRefused("The permit holds no claims.", reason="malformed")
    return parts[0], parts[1]


def _unb64(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
