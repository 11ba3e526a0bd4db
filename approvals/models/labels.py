"""What decisions say of an agent's actions: labels, and the cells that they are counted in."""

from django.db import models
from django.db.models import Q

from approvals.db.ids import new_id
from approvals.models.approval import Approval
from approvals.models.people import Agent
from approvals.models.policy import ActionType, Impact, PolicyVersion


class EvidenceCell(models.Model):
    """What is judged together: one agent, action type, stated version and impact. Nothing is pooled over agents.

    `states` are those of what counts the cell's labels, by its name; they can all be made again from the labels.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="evidence_cells", db_index=False)
    action_type = models.ForeignKey(ActionType, models.PROTECT, related_name="evidence_cells", db_index=False)
    agent_model = models.CharField(max_length=120, blank=True)
    prompt_version = models.CharField(max_length=120, blank=True)
    tool_version = models.CharField(max_length=120, blank=True)
    impact = models.CharField(max_length=6, choices=Impact.choices)
    states = models.JSONField(default=dict)
    began_at = models.DateTimeField(help_text="When its first label entered.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "action_type", "agent_model", "prompt_version", "tool_version", "impact"],
                name="evidence_cell_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} · {self.action_type_id} · {self.impact}"


class Label(models.Model):
    """Whether one proposal of the population was wrong. One that nobody was drawn to look at has a share, and no word.

    `missing`: no considered verdict had come when its time was over, so it counts as wrong; `settled` is where in the
    order one came after all, and `wrong` is what it said.
    """

    approval = models.OneToOneField(Approval, models.PROTECT, related_name="label", primary_key=True)
    cell = models.ForeignKey(EvidenceCell, models.PROTECT, related_name="labels", db_index=False)
    number = models.BigIntegerField(unique=True, help_text="In the order in which labels entered.")
    policy = models.ForeignKey(
        PolicyVersion, models.PROTECT, related_name="+", db_index=False, help_text="What its score was made by."
    )
    score = models.DecimalField(max_digits=4, decimal_places=3, null=True)
    share = models.DecimalField(max_digits=4, decimal_places=3)
    drawn = models.BooleanField()
    wrong = models.BooleanField(null=True, help_text="NULL: not drawn.")
    missing = models.BooleanField(default=False)
    settled = models.BigIntegerField(null=True)
    entered_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(drawn=False, wrong=None, missing=False) | Q(drawn=True, wrong__isnull=False),
                name="label_is_of_what_was_drawn",
            ),
            models.CheckConstraint(
                condition=Q(missing=False) | Q(settled__isnull=False) | Q(wrong=True), name="missing_label_is_wrong"
            ),
            models.CheckConstraint(
                condition=Q(settled=None) | Q(missing=True, settled__gt=models.F("number")),
                name="label_settles_what_was_missing",
            ),
        ]
        indexes = [
            # A cell's labels in their order: its states are made anew from them.
            models.Index(fields=["cell", "number"], name="label_of_cell"),
        ]

    def __str__(self) -> str:
        return f"{self.approval_id} · {self.number}"


class LabelFeed(models.Model):
    """How far labels are made: whoever holds its one row makes the next."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    number = models.BigIntegerField(default=0, help_text="Of the last label, or of what last settled one.")
    seal = models.BigIntegerField(default=0, help_text="Up to which seal events were read.")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="label_feed_is_one")]

    def __str__(self) -> str:
        return str(self.number)


class LabelCursor(models.Model):
    """Up to which proposal of an action type labels have entered, in the order of the proposals."""

    action_type = models.OneToOneField(ActionType, models.CASCADE, related_name="+", primary_key=True)
    at = models.DateTimeField()
    approval = models.UUIDField()

    def __str__(self) -> str:
        return f"{self.action_type_id} · {self.at}"
