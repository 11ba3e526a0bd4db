"""The state of canary requests: the last failure, and its alarm.

One alarm, however many fail after it, until one comes through again.
"""

import logging

from django.db import connection, transaction
from django.utils.translation import gettext as _

from approvals.db import times
from approvals.history import audit
from approvals.models import Delivery, SystemAuditEvent
from approvals.notify import alarms

log = logging.getLogger(__name__)

ALARM = "canary"
_LOCK = 0x63616E61  # "cana": of two clocks one says it
_KINDS = (SystemAuditEvent.Kind.CANARY_FAILED, SystemAuditEvent.Kind.CANARY_PASSED)


def standing_failure() -> SystemAuditEvent | None:
    """The failure since which none came through; None where the last one did."""
    last = SystemAuditEvent.objects.filter(kind__in=_KINDS).order_by("-seq").first()
    return last if last is not None and last.kind == SystemAuditEvent.Kind.CANARY_FAILED else None


@transaction.atomic
def record_failure(why: str) -> None:
    """One did not come through. The first that does not tells whoever can do something about it."""
    log.error("a canary request did not come through: %s", why)
    _one_at_a_time()
    if standing_failure():
        return
    alarms.raise_alarm(ALARM, [(person, {}) for person in alarms.people_who_can_help()], now=times.now())
    audit.record(SystemAuditEvent.Kind.CANARY_FAILED, by=audit.CLOCK, detail={"why": why})


@transaction.atomic
def record_success() -> None:
    """One came through."""
    _one_at_a_time()
    if standing_failure():
        audit.record(SystemAuditEvent.Kind.CANARY_PASSED, by=audit.CLOCK)


def _one_at_a_time() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])


def letter(_delivery: Delivery) -> tuple[str, str] | None:
    """Subject and body, no arguments; None when one has come through since."""
    failure = standing_failure()
    if failure is None:
        return None
    body = _(
        "Every five minutes a canary request is sent to Assent as an agent would send it. Since %(since)s UTC none has "
        "come through:\n\n%(why)s\n\nAgents may not get their answers either. Look at the processes web, clock and "
        "worker, at Redis and at the logs. Once one comes through again, the audit log says so.\n"
    ) % {"since": f"{failure.at:%Y-%m-%d %H:%M}", "why": failure.detail.get("why", "")}
    return _("Requests of agents do not come through"), body
