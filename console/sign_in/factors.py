"""Second factors: authenticator apps, passkeys and recovery codes, kept under the installation's secret, and recorded.

A wrong code or passkey counts against allauth's limits, and is recorded as a wrong password is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.core import context
from allauth.mfa import signals
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import AuthenticateWebAuthnForm, ReauthenticateWebAuthnForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from approvals.db import secret_box
from approvals.models import User
from console.sign_in import accounts
from console.sign_in.accounts import Kind

Type = Authenticator.Type
ISSUER = "Assent"


class FactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth ships no types
    """Keeps secrets in `secret_box`, so that nobody makes codes from the database alone."""

    def encrypt(self, text: str) -> str:
        return secret_box.seal_secret(text.encode())

    def decrypt(self, encrypted_text: str) -> str:
        return secret_box.open_secret(encrypted_text).decode()

    def get_totp_issuer(self) -> str:
        return ISSUER

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {**super().get_public_key_credential_rp_entity(), "name": ISSUER}

    def generate_authenticator_name(self, user: User, type: str) -> str:
        number = Authenticator.objects.filter(user=user, type=type).count() + 1
        return _("Passkey") if number == 1 else _("Passkey %s") % number


def factors_of(user: User) -> list[Authenticator]:
    """Everything that this person can be asked for after the password, oldest first; recovery codes last."""
    listed = Authenticator.objects.filter(user=user).order_by("created_at", "pk")
    return sorted(listed, key=lambda factor: factor.type == Type.RECOVERY_CODES)


def has_factor(user: User, *types: str) -> bool:
    """Whether this person has a second factor, of one of these types where any are named.

    Recovery codes stand in for one, and are none.
    """
    factor_types = types or (Type.TOTP, Type.WEBAUTHN)
    return bool(Authenticator.objects.filter(user=user, type__in=factor_types).exists())


# --- Attempts


@contextmanager
def _failures_recorded(user: User, factor: str) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        request = context.request
        refused = error.code == "too_many_login_attempts"
        if request.user.is_authenticated:
            kind = Kind.CONFIRM_REFUSED if refused else Kind.CONFIRM_FAILED
        else:
            kind = Kind.SIGN_IN_REFUSED if refused else Kind.SIGN_IN_FAILED
        accounts.record(kind, request, user, factor=factor)
        raise


class CodeForm(AuthenticateForm):  # type: ignore[misc]  # allauth ships no types
    """A code of an app, or a recovery code, at sign-in."""

    def clean_code(self) -> str:
        with _failures_recorded(self.user, "code"):
            code: str = super().clean_code()
            return code


class ConfirmCodeForm(ReauthenticateForm):  # type: ignore[misc]
    """The same for whoever is signed in."""

    def clean_code(self) -> str:
        with _failures_recorded(self.user, "code"):
            code: str = super().clean_code()
            return code


class PasskeyForm(AuthenticateWebAuthnForm):  # type: ignore[misc]
    """A passkey at sign-in."""

    def clean_credential(self) -> Authenticator:
        with _failures_recorded(self.user, Type.WEBAUTHN):
            return super().clean_credential()


class ConfirmPasskeyForm(ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """The same for whoever is signed in."""

    def clean_credential(self) -> Authenticator:
        with _failures_recorded(self.user, Type.WEBAUTHN):
            return super().clean_credential()


# --- What is recorded


def connect() -> None:
    """Record what allauth says happened to second factors."""
    signals.authenticator_added.connect(_added, dispatch_uid="factors")
    signals.authenticator_removed.connect(_removed, dispatch_uid="factors")
    signals.authenticator_reset.connect(_made, dispatch_uid="factors")
    signals.authenticator_used.connect(_used, dispatch_uid="factors")


def _added(request: HttpRequest, user: User, authenticator: Authenticator, **_said: Any) -> None:
    if authenticator.type == Type.RECOVERY_CODES:
        _made(request, user)
        return
    accounts.record(Kind.FACTOR_ADDED, request, user, factor=authenticator.type, name=str(authenticator))


def _removed(request: HttpRequest, user: User, authenticator: Authenticator, **_said: Any) -> None:
    accounts.record(Kind.FACTOR_REMOVED, request, user, factor=authenticator.type, name=str(authenticator))


def _made(request: HttpRequest, user: User, **_said: Any) -> None:
    accounts.record(Kind.RECOVERY_CODES_MADE, request, user)


def _used(request: HttpRequest, user: User, authenticator: Authenticator, reauthenticated: bool, **_said: Any) -> None:
    if authenticator.type == Type.RECOVERY_CODES:
        authenticator.refresh_from_db()  # the code was marked as used on another copy
        accounts.record(Kind.RECOVERY_CODE_USED, request, user, left=len(authenticator.wrap().get_unused_codes()))
    if reauthenticated:
        accounts.record(Kind.CONFIRMED, request, user, factor=authenticator.type)
