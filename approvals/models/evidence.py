"""What decisions and outcomes teach."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from approvals.db.ids import new_id
from approvals.models.approval import Approval
from approvals.models.people import Agent, User
from approvals.models.policy import ActionType


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

    class Meta:
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        constraints = [
            models.CheckConstraint(condition=Q(cost=None) | Q(cost__gte=0), name="incident_costs_nothing_or_more")
        ]

    def __str__(self) -> str:
        return f"{self.severity} · {self.approval}"


class Autonomy(models.Model):
    """How much an agent may do by itself with one action type; a new pair starts at the type's first level."""

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="autonomy")
    action_type = models.ForeignKey(ActionType, models.CASCADE, related_name="autonomy")
    level = models.PositiveSmallIntegerField(
        _("level"), default=1, validators=[MinValueValidator(1), MaxValueValidator(4)]
    )
    breaker_open = models.BooleanField(
        _("breaker open"), default=False, help_text=_("While open, everything of this pair asks a person.")
    )
    shadow = models.BooleanField(
        _("shadow mode"),
        default=False,
        help_text=_("Nobody is asked: what would have been asked is recorded. Not for what cannot be undone."),
    )
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("autonomy")
        verbose_name_plural = _("autonomy")
        constraints = [
            models.UniqueConstraint(fields=["agent", "action_type"], name="autonomy_once_per_pair"),
            models.CheckConstraint(condition=Q(level__gte=1, level__lte=4), name="autonomy_level_is_1_to_4"),
        ]

    def __str__(self) -> str:
        return f"{self.agent} · {self.action_type} · {self.level}"
