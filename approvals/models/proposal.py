"""What an approval proposes, revision by revision."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from approvals.db.ids import new_id
from approvals.models.approval import Approval
from approvals.models.fields import OrderedJSONField
from approvals.models.people import User


class Proposal(models.Model):
    """What is proposed in one revision: the arguments that would execute, and the agent's words. Immutable.

    A reviewer's modification and an agent's amendment are new revisions; erasure empties the texts of old ones.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    approval = models.ForeignKey(Approval, models.PROTECT, related_name="proposals", db_index=False)
    revision = models.PositiveIntegerField()
    author = models.ForeignKey(  # NULL: the agent
        User, models.PROTECT, related_name="modifications", null=True, db_index=False
    )
    name = models.CharField(max_length=80, blank=True)  # of the action type
    args = OrderedJSONField(null=True)
    parsed = models.BooleanField(default=True, help_text="False: the model's arguments did not parse.")
    schema = OrderedJSONField(default=dict, help_text="JSON Schema of the answer to a question.")
    digest = models.CharField(max_length=71)
    headline = models.CharField(max_length=500)
    summary = models.TextField(blank=True)
    reasoning = models.TextField(blank=True)
    context = models.JSONField(default=dict)
    current = models.JSONField(null=True)
    preconditions = models.JSONField(default=dict)
    alternatives = OrderedJSONField(default=list)
    remember = models.JSONField(default=list)
    rename_to = ArrayField(models.CharField(max_length=80), default=list)
    signals = models.JSONField(default=dict, help_text="As the agent stated them.")
    prompt = models.TextField(blank=True, help_text="A question's words.")
    best_guess = OrderedJSONField(null=True)
    steps = OrderedJSONField(default=list, help_text="A plan's steps.")
    undo = models.JSONField(null=True, help_text="Name and arguments of what undoes it, where the agent named it.")
    assessed = models.JSONField(default=list, help_text="What policy says of each of the steps, in their order.")
    attachments = models.JSONField(default=list, help_text="Of each: id, name, media type, size, digest.")
    before = models.JSONField(
        default=dict,
        help_text="Of a reviewer's: who was asked and the approval's columns, as they stood with the agent's own.",
    )
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["approval", "revision"], name="proposal_once_per_revision")]

    def __str__(self) -> str:
        return self.headline
