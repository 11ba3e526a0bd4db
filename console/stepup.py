"""The step-up at a manual gate: whoever decides shows again who they are. Limited in attempts, and recorded.

By the password, or by a passkey: asked for one version of one approval, and taken once. Counted in the database:
a limit that must hold is not kept in a cache that forgets.
"""

import json
import time
from datetime import timedelta
from typing import cast

from allauth.mfa.webauthn.internal import auth
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.utils.translation import gettext as _
from fido2.webauthn import UserVerificationRequirement

from approvals import times
from approvals.models import AccountEvent, Approval, SystemEvent, User
from approvals.policy.schema import Fault, Json
from approvals.review.errors import BadVerdict
from console import accounts
from console.http import ConsoleRequest

MOST = 5  # wrong attempts of one session
WINDOW = timedelta(minutes=15)
PASSKEY = "assent_gate_passkey"  # in the session: what was asked for last
LIVES = 120  # seconds


def challenge(request: ConsoleRequest, approval: Approval) -> Json:
    """Options to ask the browser for a passkey with, for this version of this approval; in place of any before.

    It takes a finger, a face or a PIN: a key that lies about is no person.
    """
    options, state = auth.get_server().authenticate_begin(
        credentials=auth.get_credentials(request.user), user_verification=UserVerificationRequirement.REQUIRED
    )
    asked = {"approval": str(approval.pk), "version": approval.version, "at": time.time(), "state": state}
    request.session[PASSKEY] = asked
    return cast(Json, dict(options))


def proved(request: ConsoleRequest, approval: Approval, *, version: str, password: str, passkey: str) -> bool:
    """Whether this is the person, by the passkey where one was given, else by the password.

    `passkey` is the browser's credential in JSON, `version` that of the card. False without either; raises BadVerdict
    for a wrong one, and at the limit.
    """
    if not password and not passkey:
        return False
    fault = _fault(request, approval, version, password, passkey)
    if fault:
        raise BadVerdict([Fault("/password", fault)])
    return True


def _fault(request: ConsoleRequest, approval: Approval, version: str, password: str, passkey: str) -> str:
    kind = SystemEvent.Kind
    with transaction.atomic():
        # One attempt of a person at a time: else twenty at once would all be the first.
        user = User.objects.select_for_update(no_key=True).get(pk=request.user.pk)
        asked = _take(request) if passkey else {}
        wrong = AccountEvent.objects.filter(
            user=user,
            session=accounts.session_digest(request),
            kind=kind.CONFIRM_FAILED,
            at__gt=times.now() - WINDOW,
        ).count()
        how: dict[str, str] = {"at": "manual gate", **({"factor": "webauthn"} if passkey else {})}
        if wrong >= MOST:
            accounts.record(kind.CONFIRM_REFUSED, request, user, **how)
            return _("Too many wrong attempts. Wait 15 minutes, or sign out and in again.")
        if passkey:
            fault = _passkey_fault(user, approval, version, passkey, asked)
        else:
            fault = "" if user.check_password(password) else _("Wrong password. Try again.")
        accounts.record(kind.CONFIRM_FAILED if fault else kind.CONFIRMED, request, user, **how)
        return fault


def _take(request: ConsoleRequest) -> dict[str, Json]:
    """What was asked for last, out of the session: whoever comes second, with another copy of it, finds nothing."""
    request.session.pop(PASSKEY, None)
    stored = SessionStore(request.session.session_key)
    asked: dict[str, Json] = stored.pop(PASSKEY, {})
    if stored.modified:
        stored.save()
    return asked


def _passkey_fault(user: User, approval: Approval, version: str, passkey: str, asked: dict[str, Json]) -> str:
    late = time.time() - float(str(asked.get("at", 0))) > LIVES
    if late or (asked["approval"], asked["version"]) != (str(approval.pk), version):
        return _("The passkey was not for this, or too long ago. Use it again.")
    try:
        # What a browser did not make breaks in more than one way.
        auth.get_server().authenticate_complete(asked["state"], auth.get_credentials(user), json.loads(passkey))
    except (ValueError, TypeError, KeyError, AttributeError):
        return _("That passkey did not fit. Try again, or give your password.")
    return ""
