"""How much may wait in a queue; when one had no room, or nobody, and what became of what came meanwhile."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from approvals.db.ids import new_id
from approvals.models.people import Domain, Tier, User
from approvals.models.policy import OverloadMode
from approvals.models.states import queue_name


class Overload(models.Model):
    """A time in which a queue was in its degraded mode. Open while it lasts; then a list to catch up with."""

    class Why(models.TextChoices):
        FULL = "full", _("Full")
        EMPTY = "empty", _("Nobody on duty")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tier = models.ForeignKey(Tier, models.PROTECT, related_name="degraded")
    domain = models.ForeignKey(Domain, models.PROTECT, related_name="degraded")
    why = models.CharField(max_length=5, choices=Why.choices)
    mode = models.CharField(max_length=6, choices=OverloadMode.choices)
    limit = models.PositiveIntegerField(null=True)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    passed = models.PositiveIntegerField(default=0, help_text="How many ran because of it.")
    refused = models.PositiveIntegerField(default=0, help_text="How many were refused because of it.")
    seen_by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    seen_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("degraded time")
        verbose_name_plural = _("degraded times")
        constraints = [
            models.UniqueConstraint(
                fields=["tier", "domain"], condition=Q(ended_at=None), name="degraded_once_at_a_time"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None) | Q(ended_at__gte=F("began_at")), name="degraded_ends_after_it_began"
            ),
            models.CheckConstraint(
                condition=Q(seen_by=None, seen_at=None)
                | Q(seen_by__isnull=False, seen_at__isnull=False, ended_at__isnull=False),
                name="degraded_is_seen_when_it_is_over",
            ),
        ]
        indexes = [models.Index(fields=["-began_at", "-id"], name="degraded_newest")]

    def __str__(self) -> str:
        return f"{self.queue} · {self.why}"

    @property
    def queue(self) -> str:
        return queue_name(self.tier_id, self.domain_id)


class Capacity(models.Model):
    """How much may wait in a queue, and what happens to more. Nothing of it is entered because of an error."""

    tier = models.ForeignKey(Tier, models.CASCADE, related_name="capacities", verbose_name=_("tier"))
    domain = models.ForeignKey(
        Domain,
        models.PROTECT,
        related_name="capacities",
        verbose_name=_("domain"),
        null=True,
        blank=True,
        help_text=_("Empty: every domain that has no row of its own."),
    )
    limit = models.PositiveIntegerField(
        _("may wait"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Empty: no limit. A rehearsal tells nothing of it: how full the queue was then is not known."),
    )
    when_full = models.CharField(
        _("when full"),
        max_length=6,
        choices=OverloadMode.choices,
        default=OverloadMode.QUEUE,
        help_text=_(
            "What passes is looked at afterwards, and never what rules, flags, level 1 or a manual gate ask for."
        ),
    )
    when_empty = models.CharField(
        _("when nobody is on duty"), max_length=6, choices=OverloadMode.choices, default=OverloadMode.QUEUE
    )

    class Meta:
        verbose_name = _("capacity")
        verbose_name_plural = _("capacities")
        constraints = [
            models.UniqueConstraint(fields=["tier", "domain"], name="capacity_once_per_queue", nulls_distinct=False),
            models.CheckConstraint(condition=Q(limit=None) | Q(limit__gt=0), name="capacity_is_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.tier} · {self.domain or _('every domain')}"
