"""Words between reviewers and agents, beside the verdict."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from approvals.db.ids import new_id
from approvals.models.approval import Approval
from approvals.models.people import Agent, User
from approvals.models.run import Run


class AgentQuestion(models.Model):
    """What a reviewer asks the agent about an approval, and what the agent answers. The deadline goes on."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    approval = models.ForeignKey(Approval, models.PROTECT, related_name="inquiries")
    seq = models.PositiveIntegerField(help_text="Of the event that asked.")
    user = models.ForeignKey(User, models.PROTECT, related_name="inquiries")
    text = models.TextField()
    asked_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, help_text="When the agent first fetched it.")
    answer = models.TextField(blank=True)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["approval", "seq"], name="inquiry_once_per_event")]
        # Every second, for all agents that wait: is there something that they have not been asked yet?
        indexes = [
            models.Index(
                fields=["approval"],
                condition=models.Q(read_at=None, answered_at=None),
                name="inquiry_unread",
            )
        ]

    def __str__(self) -> str:
        return self.text[:80]


class Guidance(models.Model):
    """Free text of a reviewer for a running agent; advice, and not a condition of any verdict."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    run = models.ForeignKey(Run, models.PROTECT, related_name="guidance")
    approval = models.ForeignKey(Approval, models.PROTECT, related_name="guidance", null=True)
    user = models.ForeignKey(User, models.PROTECT, related_name="guidance")
    text = models.TextField()
    given_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, help_text="When the agent first fetched it.")

    class Meta:
        indexes = [models.Index(fields=["run", "given_at"], name="guidance_of_run")]

    def __str__(self) -> str:
        return self.text[:80]


class Attachment(models.Model):
    """A file that an agent lays beside a proposal. Its digest is part of what is approved; its content is hostile."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="attachments")
    name = models.CharField(_("name"), max_length=200)
    media_type = models.CharField(max_length=100)
    size = models.PositiveIntegerField()
    digest = models.CharField(max_length=71)
    content = models.BinaryField()
    created_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["agent", "digest"], name="attachment_of_agent")]

    def __str__(self) -> str:
        return self.name
