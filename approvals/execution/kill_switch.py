"""The kill switch. While a stop stands nothing that may run is released, by nobody and not by silence, and no permit
is used; what is submitted waits for people, and deadlines expire.

Whoever releases, or uses a permit, shares a lock to the end of the transaction and looks while holding it; who stops
takes that lock alone. So when a stop has been taken, everything that passed before it is committed, and nothing passes
after it.
"""

import logging
from collections.abc import Callable, Sequence

from django.db import IntegrityError, transaction

from approvals.db import stop_lock, times
from approvals.history import audit
from approvals.models import Stop, SystemAuditEvent, User

log = logging.getLogger(__name__)

LONGEST_WHY = 500

Listener = Callable[[], None]
_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Call `listener` when everything was stopped, and when that was lifted, after the commit."""
    if listener not in _listeners:
        _listeners.append(listener)


def standing() -> Stop | None:
    """The stop that stands now."""
    return Stop.objects.select_related("by").filter(lifted_at=None).first()


def recent(most: int = 20) -> Sequence[Stop]:
    """The newest stops, the one that stands among them."""
    return list(Stop.objects.select_related("by", "lifted_by")[:most])


def stop(*, by: User | None, why: str) -> Stop:
    """Stop everything; returns the stop that stands, which may be an earlier one. Waits for what is being released."""
    try:
        return _stop(by=by, why=why)
    except IntegrityError:
        standing_stop = standing()
        if standing_stop is None:
            raise
        return standing_stop


@transaction.atomic
def _stop(*, by: User | None, why: str) -> Stop:
    stop_lock.alone()
    earlier = standing()
    if earlier is not None:
        return earlier
    made = Stop.objects.create(began_at=times.now(), by=by, why=why.strip()[:LONGEST_WHY])
    audit.record(SystemAuditEvent.Kind.STOPPED, by=audit.actor_of(by), subject="everything", detail={"why": made.why})
    log.warning("everything was stopped by %s", _name(by))
    transaction.on_commit(_tell)
    return made


@transaction.atomic
def lift(*, by: User | None) -> Stop | None:
    """End the stop that stands, and return it; None where none does. Who may asks for a fresh login is the caller's."""
    standing_stop = Stop.objects.select_for_update(of=("self",)).filter(lifted_at=None).first()
    if standing_stop is None:
        return None
    standing_stop.lifted_at, standing_stop.lifted_by = times.now(), by
    standing_stop.save(update_fields=["lifted_at", "lifted_by"])
    audit.record(SystemAuditEvent.Kind.LIFTED, by=audit.actor_of(by), subject="everything")
    log.warning("the stop was lifted by %s", _name(by))
    transaction.on_commit(_tell)
    return standing_stop


def _name(person: User | None) -> str:
    return ascii(person.username) if person else "the command line"


def _tell() -> None:
    for listener in _listeners:
        try:
            listener()
        except Exception:
            log.exception("listener %s failed", listener)  # news is a hint; pages look again by themselves
