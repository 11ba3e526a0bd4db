"""The fake's signatures: real Ed25519 where `cryptography` is installed, else well-formed and worthless ones."""

import base64
import hashlib
import importlib.util
import json
import secrets
from typing import Protocol

from assent.digest import canonical
from assent.shapes import Json, Object

PERMIT = "assent-permit+jwt"
GRANT = "assent-grant+jwt"
FORGERIES = ("signature", "algorithm", "unknown_key", "kind", "malformed", "digest", "revision", "audience", "expired")


class _Key(Protocol):
    def sign(self, data: bytes) -> bytes: ...


class Signer:
    """A throw-away key. `published` is what the key set (RFC 7517) shows of it."""

    def __init__(self) -> None:
        self.real = importlib.util.find_spec("cryptography") is not None
        self._key: _Key | None = None
        public = secrets.token_bytes(32)
        if self.real:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

            private = Ed25519PrivateKey.generate()
            public = private.public_key().public_bytes_raw()
            self._key = private
        self.public = _b64(public)
        self.kid = _b64(hashlib.sha256(canonical({"crv": "Ed25519", "kty": "OKP", "x": self.public})).digest())

    @property
    def published(self) -> dict[str, Json]:
        return {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": self.kid, "x": self.public}

    def signed(self, claims: Object, kind: str, *, algorithm: str = "EdDSA", kid: str = "") -> str:
        """A compact JWS (RFC 7515) over canonical claims."""
        header = {"alg": algorithm, "kid": kid or self.kid, "typ": kind}
        signing = f"{_b64(json.dumps(header).encode())}.{_b64(canonical(dict(claims)))}"
        signature = self._key.sign(signing.encode()) if self._key else hashlib.sha512(signing.encode()).digest()
        return f"{signing}.{'' if algorithm == 'none' else _b64(signature)}"


def issued(signer: Signer, claims: Object, *, forgery: str = "") -> str:
    """A permit; with a forgery, one that is wrong in that way, as an attacker or a mistake would make it."""
    forged_claims = dict(claims)
    match forgery:
        case "algorithm":
            return signer.signed(forged_claims, PERMIT, algorithm="none")
        case "unknown_key":
            return Signer().signed(forged_claims, PERMIT)
        case "kind":
            return signer.signed(forged_claims, GRANT)
        case "malformed":
            return "this.is-not.a permit"
        case "digest":
            forged_claims["action_digest"] = "sha256:" + hashlib.sha256(b"another action").hexdigest()
        case "revision":
            forged_claims["revision"] = int(str(forged_claims["revision"])) + 1
        case "audience":
            forged_claims["aud"] = "somebody-else"
        case "expired":
            forged_claims["exp"] = int(str(forged_claims["iat"])) - 3600
        case "signature":
            head, _, tail = signer.signed(forged_claims, PERMIT).split(".")
            return f"{head}.{_b64(canonical({**forged_claims, 'exp': int(str(forged_claims['exp'])) + 1}))}.{tail}"
    return signer.signed(forged_claims, PERMIT)


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
