"""Secrets that must be read again (signing keys, webhook secrets), kept in the database under the installation's own.

Who has the database alone has none of them.
"""

import base64
from functools import cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


class WrongSecret(Exception):
    """The installation's secret is not the one under which this was kept."""


def seal_secret(secret: bytes) -> str:
    """The secret as text that only this installation reads (Fernet: AES-128-CBC with HMAC-SHA-256)."""
    return _vault(settings.SECRET_KEY, tuple(settings.SECRET_KEY_FALLBACKS)).encrypt(secret).decode()


def open_secret(kept: str) -> bytes:
    """The secret in clear, opened with the present SECRET_KEY or one of SECRET_KEY_FALLBACKS. Raises WrongSecret."""
    try:
        return _vault(settings.SECRET_KEY, tuple(settings.SECRET_KEY_FALLBACKS)).decrypt(kept.encode())
    except InvalidToken as error:
        raise WrongSecret("SECRET_KEY was changed; put the old one into SECRET_KEY_FALLBACKS") from error


@cache
def _vault(secret: str, earlier: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([_fernet(one) for one in (secret, *earlier)])


def _fernet(secret: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"assent.vault").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
