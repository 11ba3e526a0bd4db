"""How a change of policy comes into force: it is rehearsed on what happened, and where two must agree, asked for."""

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from approvals.db.ids import new_id
from approvals.models.approval import Approval
from approvals.models.fields import OrderedJSONField
from approvals.models.people import User
from approvals.models.policy import PolicyVersion


class PublishRequest(models.Model):
    """One admin asks another to put exactly this draft in force; any change of the draft makes it void."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    open = models.BooleanField(default=True)
    digest = models.CharField(max_length=71, help_text="Of the draft as it was when asked.")
    note = models.CharField(_("what changed"), max_length=300)
    requested_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    closed_by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    closed_at = models.DateTimeField(null=True)
    version = models.OneToOneField(PolicyVersion, models.PROTECT, related_name="request", null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["open"], condition=Q(open=True), name="publish_request_one_open"),
            models.CheckConstraint(
                condition=Q(version=None) | (Q(open=False, closed_by__isnull=False) & ~Q(closed_by=F("requested_by"))),
                name="publish_request_takes_two",
            ),
        ]

    def __str__(self) -> str:
        return self.note


class Rehearsal(models.Model):
    """What a draft would have done to the past: of the last `last` approvals, or of those between two moments."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    base = models.ForeignKey(PolicyVersion, models.PROTECT, related_name="+")
    draft = OrderedJSONField(help_text="The snapshot that was rehearsed.")
    digest = models.CharField(max_length=71)
    last = models.PositiveIntegerField()
    since = models.DateTimeField(null=True)
    until = models.DateTimeField(null=True)
    asked_by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    asked_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField(null=True, help_text="When whoever works on it last said so.")
    done_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=300, blank=True)
    total = models.PositiveIntegerField(default=0)
    looked = models.PositiveIntegerField(default=0)
    moved = models.PositiveIntegerField(default=0)
    left_out = models.JSONField(default=dict, help_text="How many could not be told, by why.")
    counts = models.JSONField(default=dict, help_text="How many moved, by how.")

    class Meta:
        verbose_name = _("rehearsal")
        verbose_name_plural = _("rehearsals")
        ordering = ["-asked_at"]
        indexes = [models.Index(fields=["asked_at"], condition=Q(done_at=None), name="rehearsal_waiting")]

    def __str__(self) -> str:
        return f"{self.asked_at:%Y-%m-%d %H:%M}"


class RoutingChange(models.Model):
    """One approval that the draft would have routed another way. Holds routes and policy's reasons, no content."""

    rehearsal = models.ForeignKey(Rehearsal, models.CASCADE, related_name="movements")
    approval = models.ForeignKey(Approval, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=20)
    rank = models.PositiveSmallIntegerField(help_text="0 to 2: to be looked at first.")
    before = models.JSONField()
    after = models.JSONField()
    why = models.JSONField(default=list)

    class Meta:
        ordering = ["rank", "id"]
        constraints = [models.UniqueConstraint(fields=["rehearsal", "approval"], name="movement_once_per_rehearsal")]
        indexes = [models.Index(fields=["rehearsal", "rank", "id"], name="movement_in_order")]

    def __str__(self) -> str:
        return f"{self.kind} {self.approval_id}"
