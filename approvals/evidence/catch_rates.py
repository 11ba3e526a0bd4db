"""The catch rates of an action type, as certificates and promotions bound their claims by them.

Brings scipy along: to be imported where a worker needs it, and by no page.
"""

from django.db.models import Count, Q

from approvals.evidence.guarantees import CatchRate
from approvals.models import SeededCase
from approvals.models.seeded import OF_FAULTS, CaseOutcome

DELTA = 0.025  # half of the 5 % that a claim may be wrong with


def of(action_type: str) -> list[CatchRate]:
    """One for each place where test cases of this action type were read: at the gate. Empty without any fault read.

    Each counts all faults alike, in the mix in which they were drawn.
    """
    counted = SeededCase.objects.filter(action_type=action_type, outcome__in=OF_FAULTS).aggregate(
        cases=Count("pk"), missed=Count("pk", filter=Q(outcome=CaseOutcome.MISSED))
    )
    if not counted["cases"]:
        return []
    return [CatchRate.restored({"delta": DELTA, **counted})]
