"""The words for where an approval is, what it asks, who settled it and how it was routed."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Status(models.TextChoices):
    """An approval's life: pending, held, released, then what became of it; or it ended undecided."""

    PENDING = "pending", _("Pending")
    HELD = "held", _("Held")
    RELEASED = "released", _("Released")
    EXECUTED = "executed", _("Executed")
    FAILED = "failed", _("Failed")
    SKIPPED = "skipped", _("Skipped")
    COMPENSATED = "compensated", _("Compensated")
    RECALLED = "recalled", _("Recalled")
    EXPIRED = "expired", _("Expired")
    CANCELLED = "cancelled", _("Cancelled")
    SUPERSEDED = "superseded", _("Superseded")


# Where a released decision can be: what an agent reads as "decided".
DECIDED: frozenset[str] = frozenset(
    {Status.RELEASED, Status.EXECUTED, Status.FAILED, Status.SKIPPED, Status.COMPENSATED}
)
# Where it was decided, though it was recalled since: what reports count.
SETTLED: frozenset[str] = DECIDED | {Status.RECALLED}
# Where the approval still waits for somebody or for the undo window.
OPEN: frozenset[str] = frozenset({Status.PENDING, Status.HELD})


class Kind(models.TextChoices):
    REAL = "real", _("Real")
    PRACTICE = "practice", _("Practice")
    SEEDED = "seeded", _("Test case")
    SECOND = "second", _("Second review")
    AUDIT = "audit", _("Audit")
    CANARY = "canary", _("Canary")


# Not to be told from real ones before they are decided; what differs in them differs in nothing that anybody sees.
DISGUISED = (Kind.SEEDED, Kind.SECOND)
# Of these kinds something runs; the others teach or measure.
RUNNING = (Kind.REAL, Kind.CANARY)


class ItemType(models.TextChoices):
    """What is asked."""

    ACTION = "action", _("Action")
    QUESTION = "question", _("Question")
    PLAN = "plan", _("Plan")


class Source(models.TextChoices):
    HUMAN = "human", _("A person")
    POLICY = "policy", _("Policy")
    TIMEOUT = "timeout", _("Silence")
    GRANT = "grant", _("A standing approval")


class Route(models.TextChoices):
    AUTO = "auto", _("Passes")
    REVIEW = "review", _("A person decides")
    REJECT = "reject", _("Refused")


# Above which used share of the time to the deadline it is how urgent; static/js/clock.js has the same.
URGENCY = {"critical": 0.75, "high": 0.5, "medium": 0.25}


def queue_name(tier: int, domain: str) -> str:
    """The name of a queue, safe as a channel group: `2.finance`."""
    return f"{tier}.{domain}"
