"""Test cases: proposals with a known right answer that are put among the real ones, and what people made of them."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from approvals.db.ids import new_id
from approvals.models.approval import Approval
from approvals.models.people import Tier, User
from approvals.models.policy import ActionType


class FaultClass(models.TextChoices):
    """What is wrong with a test case."""

    AMOUNT = "amount", _("Amount ten times too high")
    CURRENCY = "currency", _("Wrong currency")
    RECIPIENT = "recipient", _("Wrong recipient")
    STALE = "stale", _("Date a year too early")
    REJECTED = "rejected", _("Rejected before")
    OBJECTED = "objected", _("Objected to afterwards")
    INCIDENT = "incident", _("Led to an incident")


class CaseOutcome(models.TextChoices):
    """What became of a test case."""

    FOUND = "found", _("Found")
    MISSED = "missed", _("Missed")
    PASSED = "passed", _("Rightly approved")
    FALSE_ALARM = "alarm", _("False alarm")
    UNANSWERED = "none", _("Nobody answered")
    DROPPED = "dropped", _("Could not be made")


# The outcomes of faults and of clean cases that say something of those who read them.
OF_FAULTS = (CaseOutcome.FOUND, CaseOutcome.MISSED)
OF_CLEAN = (CaseOutcome.PASSED, CaseOutcome.FALSE_ALARM)
ANSWERED = (*OF_FAULTS, *OF_CLEAN)


class SeededCase(models.Model):
    """A test case: drawn beside a real approval, put in when it is due, and closed by somebody's verdict.

    Its approval never runs and counts in no other figure. What it is, nobody sees before the verdict.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    beside = models.OneToOneField(
        Approval, models.PROTECT, related_name="seeded_beside", help_text="The real one for which it was drawn."
    )
    action_type = models.ForeignKey(ActionType, models.PROTECT, related_name="seeded_cases", db_index=False)
    tier = models.ForeignKey(Tier, models.PROTECT, related_name="seeded_cases", db_index=False)
    due_at = models.DateTimeField(help_text="When it is put in.")
    approval = models.OneToOneField(Approval, models.PROTECT, related_name="seeded_case", null=True)
    source = models.ForeignKey(
        Approval, models.PROTECT, related_name="+", null=True, db_index=False, help_text="What it was made from."
    )
    fault = models.CharField(max_length=10, choices=FaultClass.choices, blank=True, help_text="Empty: nothing.")
    field = models.CharField(max_length=200, blank=True, help_text="Pointer to the faulty argument; empty: any.")
    outcome = models.CharField(max_length=8, choices=CaseOutcome.choices, blank=True, help_text="Empty: not yet.")
    decided_by = models.ForeignKey(User, models.PROTECT, related_name="seeded_cases", null=True, db_index=False)
    closed_at = models.DateTimeField(null=True)
    load = models.PositiveSmallIntegerField(
        null=True, help_text="How many its reader decided within the hour that ended with it."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(outcome="", closed_at=None) | (~Q(outcome="") & Q(closed_at__isnull=False)),
                name="seeded_case_outcome_has_a_time",
            ),
            models.CheckConstraint(
                condition=~Q(outcome__in=ANSWERED) | Q(approval__isnull=False), name="seeded_case_was_read"
            ),
        ]
        indexes = [
            # What is to be put in.
            models.Index(fields=["due_at"], condition=Q(approval=None, outcome=""), name="seeded_case_due"),
            # What waits for somebody, which capacities leave out.
            models.Index(fields=["tier"], condition=Q(approval__isnull=False, outcome=""), name="seeded_case_waiting"),
            # How well an action type is read, and the whole team, in time.
            models.Index(fields=["action_type", "closed_at"], name="seeded_case_of_type"),
        ]

    def __str__(self) -> str:
        return f"{self.action_type_id} {self.id}"
