"""Something that was approved caused harm: whoever notices says so, and it stays beside the approval."""

from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from approvals.autonomy import levels
from approvals.db import times
from approvals.decisions.card_version import load
from approvals.errors import BadVerdict, NotAllowed, ReviewError
from approvals.history import audit, recorded
from approvals.history.facts import IncidentOpened
from approvals.models import Agent, Approval, Incident, User
from approvals.notify import outbox
from approvals.people import access, eligibility
from approvals.values import texts
from approvals.values.schema import Fault

MOST_COST = Decimal(10) ** 12


class NothingRan(ReviewError):
    """Nothing was approved here that could have run, so no harm can have come of it."""


@transaction.atomic
def open_incident(
    approval: Approval, *, by: User | Agent, severity: str, text: str, cost: str = ""
) -> tuple[Incident, bool]:
    """Record harm; returns the incident and whether it is new. `cost` is in base currency, "" where nobody knows it.

    The same text and severity from the same person, or from the agent, again is the same incident. Raises NotAllowed,
    NothingRan, BadVerdict.
    """
    now = times.now()
    approval = load(approval.pk)
    clean_text = text.strip()
    faults = [] if severity in Incident.Severity.values else [Fault("/severity", _("Low, high or critical."))]
    if not clean_text:
        faults.append(Fault("/text", _("Write what happened.")))
    price = _price(cost, faults)
    if faults := [*faults, *texts.too_long("/text", clean_text, texts.ACCOUNT)]:
        raise BadVerdict(faults)
    if isinstance(by, User):
        person, actor = by, audit.Actor.person(by)
        if "incident" not in access.actions_for(approval, by, now=now):
            raise NotAllowed
    else:
        person, actor = None, audit.Actor.of(by)
        # What its agent does not know yet, it cannot have run.
        if not eligibility.agent_knows(approval.request) or not eligibility.may_have_run(approval):
            raise NothingRan("Nothing was approved here that could have run.")
    approval.refresh_from_db(fields=["event_seq"], from_queryset=Approval.objects.select_for_update(of=("self",)))
    existing = approval.incidents.filter(opened_by=person, severity=severity, text=clean_text).first()
    if existing is not None:
        return existing, False
    incident = Incident.objects.create(
        approval=approval, severity=severity, text=clean_text, opened_by=person, cost=price
    )
    audit.move_one(
        audit.Move(
            approval.pk,
            IncidentOpened(incident=incident.pk, severity=severity),
            actor,
            expect={},
            sets={"faulted_at": now},
            digests=recorded.related_digests(incident=incident),
        ),
        now=now,
    )
    outbox.tell_incident(incident, approval)
    levels.lower_after_incident(incident, approval, by=actor)
    return incident, True


def _price(cost: str, faults: list[Fault]) -> Decimal | None:
    """The cost as it is stored; what is no amount is added to the faults."""
    if not cost.strip():
        return None
    try:
        price = Decimal(cost.strip()).quantize(Decimal("0.01"))
        if 0 <= price < MOST_COST:
            return price
    except ArithmeticError:
        pass
    faults.append(Fault("/cost", _("Give an amount in base currency, like 420.00.")))
    return None
