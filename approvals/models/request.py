"""A request of an agent, which holds one approval or several."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from approvals.db.ids import new_id
from approvals.models.people import Agent
from approvals.models.run import Run


class ApprovalRequest(models.Model):
    """Everything an agent needs answered before it goes on (a *request* in the API)."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        DECIDED = "decided", _("Decided")
        EXPIRED = "expired", _("Expired")
        CANCELLED = "cancelled", _("Cancelled")
        SUPERSEDED = "superseded", _("Superseded")

    class Decide(models.TextChoices):
        TOGETHER = "together", _("Together")
        INDEPENDENTLY = "independently", _("As they come")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="requests", db_index=False)
    run = models.ForeignKey(Run, models.PROTECT, related_name="requests", null=True, db_index=False)
    step = models.CharField(max_length=200, blank=True)
    key = models.CharField(max_length=255, null=True)  # noqa: DJ001  # NULL: not idempotent; "" is refused on the wire
    content_hash = models.CharField(max_length=71)
    decide = models.CharField(max_length=13, choices=Decide.choices, default=Decide.TOGETHER)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    open_items = models.PositiveSmallIntegerField()
    resume = models.JSONField(default=dict)
    callback_url = models.URLField(max_length=2000, blank=True)
    labels = models.JSONField(default=dict)
    answer = models.TextField(default="", help_text="The decision document, written once when the request closes.")
    recalled_answer = models.TextField(
        default="", help_text="The newest decision document, where an item was recalled since the first."
    )
    lease_holder = models.CharField(max_length=200, blank=True, help_text="The worker that acts on the decision.")
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["agent", "key"], name="request_once_per_key"),
            models.CheckConstraint(condition=~Q(key=""), name="request_key_is_not_empty"),
            models.CheckConstraint(
                condition=Q(status="pending", closed_at=None, answer="", open_items__gt=0)
                | (~Q(status="pending") & Q(closed_at__isnull=False, open_items=0) & ~Q(answer="")),
                name="request_is_open_or_answered",
            ),
            models.CheckConstraint(
                condition=Q(recalled_answer="") | ~Q(answer=""), name="request_second_answer_follows_a_first"
            ),
        ]
        indexes = [
            # The API's list.
            models.Index(fields=["agent", "-created_at", "-id"], name="request_of_agent"),
            # Those of a run, and when the last of them came,
            models.Index(fields=["run", "-created_at"], condition=Q(run__isnull=False), name="request_of_run"),
            # when the last was closed,
            models.Index(
                fields=["run", "-closed_at"],
                condition=Q(run__isnull=False, closed_at__isnull=False),
                name="request_closed_of_run",
            ),
            # and whether any waits.
            models.Index(
                fields=["run"], condition=Q(run__isnull=False, status="pending"), name="request_waiting_of_run"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
