"""What decisions and outcomes teach."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from approvals.db.ids import new_id
from approvals.models.approval import Approval
from approvals.models.people import User


class Outcome(models.Model):
    """What happened when an approved action ran, as its executor reports it. One per approval."""

    class Result(models.TextChoices):
        SUCCEEDED = "succeeded", _("Succeeded")
        FAILED = "failed", _("Failed")
        SKIPPED = "skipped", _("Skipped")
        COMPENSATED = "compensated", _("Undone")

    approval = models.OneToOneField(Approval, models.PROTECT, related_name="outcome", primary_key=True)
    result = models.CharField(max_length=11, choices=Result.choices)
    detail = models.TextField(blank=True)
    data = models.JSONField(default=dict)
    reported_at = models.DateTimeField()
    reported_by = models.ForeignKey(  # NULL: the executor
        User, models.PROTECT, related_name="outcomes", null=True, db_index=False
    )

    def __str__(self) -> str:
        return self.result


class Incident(models.Model):
    """An approved action that caused harm."""

    class Severity(models.TextChoices):
        LOW = "low", _("Low")
        HIGH = "high", _("High")
        CRITICAL = "critical", _("Critical")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    approval = models.ForeignKey(Approval, models.PROTECT, related_name="incidents")
    severity = models.CharField(max_length=8, choices=Severity.choices)
    text = models.TextField()
    cost = models.DecimalField(
        _("cost"), max_digits=14, decimal_places=2, null=True, blank=True, help_text=_("In base currency, where known.")
    )
    opened_by = models.ForeignKey(User, models.PROTECT, related_name="incidents", null=True)  # NULL: the agent
    opened_at = models.DateTimeField(auto_now_add=True)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True, db_index=False)

    class Meta:
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        constraints = [
            models.CheckConstraint(
                condition=Q(closed_at=None, closed_by=None) | Q(closed_at__isnull=False, closed_by__isnull=False),
                name="incident_is_closed_by_a_person",
            ),
            models.CheckConstraint(condition=Q(cost=None) | Q(cost__gte=0), name="incident_costs_nothing_or_more"),
        ]

    def __str__(self) -> str:
        return f"{self.severity} · {self.approval}"

    @property
    def severe(self) -> bool:
        """Whether it costs the agent its level."""
        return self.severity in SEVERE


SEVERE: frozenset[str] = frozenset({Incident.Severity.HIGH, Incident.Severity.CRITICAL})
