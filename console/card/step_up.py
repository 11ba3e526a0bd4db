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

from approvals.db import times
from approvals.errors import BadVerdict
from approvals.models import AccountEvent, Approval, SystemAuditEvent, User
from approvals.values.schema import Fault, Json
from console.http import ConsoleRequest
from console.sign_in import accounts

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
    challenge_facts = {"approval": str(approval.pk), "version": approval.version, "at": time.time(), "state": state}
    request.session[PASSKEY] = challenge_facts
    return cast(Json, dict(options))


def proves_identity(request: ConsoleRequest, approval: Approval, *, version: str, password: str, passkey: str) -> bool:
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
    kind = SystemAuditEvent.Kind
    with transaction.atomic():
        # One attempt of a person at a time: else twenty at once would all be the first.
        user = User.objects.select_for_update(no_key=True).get(pk=request.user.pk)
        challenge_facts = _pop_challenge(request) if passkey else {}
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
            fault = _passkey_fault(user, approval, version, passkey, challenge_facts)
        else:
            fault = "" if user.check_password(password) else _("Wrong password. Try again.")
        accounts.record(kind.CONFIRM_FAILED if fault else kind.CONFIRMED, request, user, **how)
        return fault


def _pop_challenge(request: ConsoleRequest) -> dict[str, Json]:
    """What was asked for last, out of the session: whoever comes second, with another copy of it, finds nothing."""
    request.session.pop(PASSKEY, None)
    stored = SessionStore(request.session.session_key)
    challenge_facts: dict[str, Json] = stored.pop(PASSKEY, {})
    if stored.modified:
        stored.save()
    return challenge_facts


def _passkey_fault(user: User, approval: Approval, version: str, passkey: str, challenge_facts: dict[str, Json]) -> str:
    late = time.time() - float(str(challenge_facts.get("at", 0))) > LIVES
    if late or (challenge_facts["approval"], challenge_facts["version"]) != (str(approval.pk), version):
        return _("The passkey was not for this, or too long ago. Use it again.")
    try:
        # What a browser did not make breaks in more than one way.
        auth.get_server().authenticate_complete(
            challenge_facts["state"], auth.get_credentials(user), json.loads(passkey)
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return _("That passkey did not fit. Try again, or give your password.")
    return ""
