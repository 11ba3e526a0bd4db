"""When a queue had no room, or nobody: from when until when, and what became of what came meanwhile."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from approvals.db.ids import new_id
from approvals.models.approval import queue_name
from approvals.models.people import Domain, Tier, User
from approvals.models.policy import OverloadMode


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
