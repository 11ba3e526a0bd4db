"""Accounts: made by an admin alone, changed only by whoever has just shown who they are, and every change recorded."""

import hashlib
import logging
from datetime import timedelta
from typing import Any

from allauth.account import signals
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.signals import user_logged_out
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from approvals.db import times
from approvals.history import audit
from approvals.models import AccountEvent, SystemAuditEvent, User
from approvals.values.schema import Json
from console.sign_in import demands, session

Kind = SystemAuditEvent.Kind

# Wrong passwords from one address: for one account in five minutes, and for any in one.
OF_ACCOUNT, OF_ADDRESS = 5, 10

log = logging.getLogger("assent.accounts")


class ClosedAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth ships no types
    """People are made in the admin; nobody signs up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            super().pre_authenticate(request, **credentials)
            if _failed_too_often(address_of(request), login_of(credentials)):
                raise self.validation_error("too_many_login_attempts")
        except ValidationError:
            kind = Kind.CONFIRM_REFUSED if request.user.is_authenticated else Kind.SIGN_IN_REFUSED
            record(kind, request, login=login_of(credentials))
            raise

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        kind = Kind.CONFIRM_FAILED if request.user.is_authenticated else Kind.SIGN_IN_FAILED
        record(kind, request, login=login_of(credentials))

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        # With the account alone anybody could lock anybody out.
        return f"{super()._get_login_attempts_cache_key(request, **credentials)}:{self.get_client_ip(request)}"

    def post_login(self, request: HttpRequest, user: User, *, redirect_url: str | None, **options: Any) -> HttpResponse:
        """Whoever must have a second factor and has none is led to where one is added."""
        if demands.missing_factor_sentence(user):
            redirect_url = reverse("profile:security") + "#factors"
        response: HttpResponse = super().post_login(request, user, redirect_url=redirect_url, **options)
        return response

    def get_reauthentication_methods(self, user: User | AnonymousUser) -> list[dict[str, Any]]:
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        ours = {"mfa_reauthenticate": _("Use a code"), "mfa_reauthenticate:webauthn": _("Use a passkey")}
        return [{**method, "description": ours.get(method["id"], method["description"])} for method in methods]

    def send_notification_mail(
        self, template_prefix: str, user: User, context: dict[str, Any] | None = None, email: str | None = None
    ) -> None:
        """A letter about a change. It goes to the old address, and a mail server that is away undoes no change."""
        try:
            super().send_notification_mail(template_prefix, user, context, email)
        except OSError:
            log.exception("no letter about %s to user:%s", template_prefix, user.username)


def _failed_too_often(address: str | None, login: str) -> bool:
    """The limits of the settings once more, counted in the database: allauth's counts are gone while Redis is away."""
    if address is None:
        return False  # all who come from nowhere would be one
    now = times.now()
    failed = AccountEvent.objects.filter(kind__in=[Kind.SIGN_IN_FAILED, Kind.CONFIRM_FAILED], address=address)
    of_account = failed.filter(login__iexact=login, at__gt=now - timedelta(minutes=5))
    return of_account.count() >= OF_ACCOUNT or failed.filter(at__gt=now - timedelta(minutes=1)).count() >= OF_ADDRESS


def login_of(credentials: dict[str, Any]) -> str:
    return str(credentials.get("email") or credentials.get("username") or "")


def keep_address(user: User) -> None:
    """Whom an admin made, or gave another address, has that one as verified: it is the one that letters go to."""
    if not user.email or EmailAddress.objects.filter(user=user, primary=True, email__iexact=user.email).exists():
        return
    EmailAddress.objects.filter(user=user).delete()
    EmailAddress.objects.create(user=user, email=user.email.lower(), primary=True, verified=True)


def session_digest(request: HttpRequest) -> str:
    """Names a session without being its key; empty where there is none."""
    key = getattr(getattr(request, "session", None), "session_key", None)
    return hashlib.sha256(key.encode()).hexdigest() if key else ""


def address_of(request: HttpRequest) -> str | None:
    """Where the request comes from, past the trusted proxies."""
    address = DefaultAccountAdapter(request).get_client_ip(request) if request.META.get("REMOTE_ADDR") else None
    return address or None


@transaction.atomic
def record(
    kind: SystemAuditEvent.Kind, request: HttpRequest, user: User | None = None, *, login: str = "", **facts: Json
) -> AccountEvent:
    """Write what happened to an account: beside it, in the chained history, and in the log.

    `user` is whose account it is; without it, of who is signed in, else of who has this login.
    """
    if user is None and request.user.is_authenticated:
        user = request.user
    if user is None and login:
        user = User.objects.filter(username__iexact=login).first() or User.objects.filter(email__iexact=login).first()
    login = login.replace("\0", "")[:254]
    event = AccountEvent.objects.create(
        kind=kind,
        user=user,
        login=login,
        address=address_of(request),
        session=session_digest(request),
        facts=facts,
        at=times.now(),
    )
    who = user.username if user else login
    if kind not in (Kind.KEY_ISSUED, Kind.KEY_REVOKED):  # those their maker writes
        actor = audit.Actor.person(user) if user and request.user.is_authenticated else audit.Actor("anonymous")
        detail = {"address": event.address, **facts}
        audit.record(kind, by=actor, subject=f"user:{who}"[:200], detail=detail)
    log.log(
        logging.WARNING if kind.endswith(("failed", "refused")) else logging.INFO,
        "%s account=%r address=%s",
        kind.value,
        who,
        event.address or "-",
    )
    return event


def connect() -> None:
    """Record what allauth says happened."""
    signals.user_logged_in.connect(_signed_in, dispatch_uid="accounts")
    user_logged_out.connect(_signed_out, dispatch_uid="accounts")
    user_logged_out.connect(session.signed_out, dispatch_uid="session")
    signals.email_changed.connect(_email_changed, dispatch_uid="accounts")
    for signal in (signals.password_changed, signals.password_set, signals.password_reset):
        signal.connect(_password_changed, dispatch_uid="accounts")


def _signed_in(request: HttpRequest, user: User, **_: object) -> None:
    record(Kind.SIGNED_IN, request, user)


def _signed_out(request: HttpRequest | None, user: User | None, **_: object) -> None:
    if request is not None and user is not None and request.META:
        record(Kind.SIGNED_OUT, request, user)


def _email_changed(request: HttpRequest, user: User, **_: object) -> None:
    record(Kind.EMAIL_CHANGED, request, user)


def _password_changed(request: HttpRequest, user: User, **_: object) -> None:
    # Sessions and tokens carry a mark of the password, and are over with it.
    record(Kind.PASSWORD_CHANGED, request, user)
