"""The step-up at a manual gate: whoever decides shows again who they are. Limited in attempts, and recorded.

Counted in the database: a limit that must hold is not kept in a cache that forgets.
"""

from datetime import timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from approvals import times
from approvals.models import AccountEvent, SystemEvent, User
from approvals.policy.schema import Fault
from approvals.review.errors import BadVerdict
from console import accounts
from console.http import ConsoleRequest

MOST = 5  # wrong attempts of one session
WINDOW = timedelta(minutes=15)


def proved(request: ConsoleRequest, password: str) -> bool:
    """Whether this is the person's password. False without one; raises BadVerdict for a wrong one, and at the limit."""
    if not password:
        return False
    fault = _fault(request, password)
    if fault:
        raise BadVerdict([Fault("/password", fault)])
    return True


def _fault(request: ConsoleRequest, password: str) -> str:
    kind = SystemEvent.Kind
    with transaction.atomic():
        # One attempt of a person at a time: else twenty at once would all be the first.
        user = User.objects.select_for_update(no_key=True).get(pk=request.user.pk)
        wrong = AccountEvent.objects.filter(
            user=user,
            session=accounts.session_digest(request),
            kind=kind.CONFIRM_FAILED,
            at__gt=times.now() - WINDOW,
        ).count()
        if wrong >= MOST:
            accounts.record(kind.CONFIRM_REFUSED, request, user, at="manual gate")
            return _("Too many wrong passwords. Wait 15 minutes, or sign out and in again.")
        if not user.check_password(password):
            accounts.record(kind.CONFIRM_FAILED, request, user, at="manual gate")
            return _("Wrong password. Try again.")
        accounts.record(kind.CONFIRMED, request, user, at="manual gate")
        return ""
