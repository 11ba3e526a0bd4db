"""What decisions say of an agent's actions: labels, and the cells that they are counted in."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from approvals.db.ids import new_id
from approvals.models.approval import Approval
from approvals.models.people import Agent
from approvals.models.policy import ActionType, Impact, PolicyVersion


class TermEnd(models.TextChoices):
    """What ended a certificate, and with it the term of its evidence; LOWER: the same term certified more."""

    DECLINE = "decline", _("More was wrong than certified")
    CATCH_RATE = "catch_rate", _("People catch fewer faults")
    INCIDENT = "incident", _("A severe incident")
    VERSION = "version", _("A new stated version")
    POLICY = "policy", _("Policy weighs or claims otherwise")
    LOWER = "lower", _("A lower threshold was certified")


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
    proposed_at = models.DateTimeField()
    score = models.DecimalField(max_digits=4, decimal_places=3, null=True)
    parts = ArrayField(
        models.SmallIntegerField(null=True), default=list, help_text="What the score was made of: of its approval."
    )
    share = models.DecimalField(max_digits=4, decimal_places=3)
    drawn = models.BooleanField()
    wrong = models.BooleanField(null=True, help_text="NULL: not drawn.")
    missing = models.BooleanField(default=False)
    settled = models.BigIntegerField(null=True)
    went_wrong = models.BooleanField(
        null=True, help_text="It ran as proposed, and failed, was undone or did harm. NULL: nobody says so or not."
    )
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


class Certificate(models.Model):
    """That at or above a threshold at most `target` of a cell's proposals are wrong; false with `delta` at most.

    An `advisory` one assumes that people read carefully, since no seeded cases say so, and opens no gate.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    cell = models.ForeignKey(EvidenceCell, models.PROTECT, related_name="certificates", db_index=False)
    advisory = models.BooleanField()
    term = models.PositiveIntegerField(help_text="Each uses later labels than the one before.")
    threshold = models.DecimalField(max_digits=4, decimal_places=3)
    target = models.DecimalField(max_digits=4, decimal_places=3)
    delta = models.DecimalField(max_digits=4, decimal_places=3)
    labels = models.PositiveIntegerField(help_text="At or above the threshold when it began.")
    bar = models.FloatField(help_text="The share of wrong labels that was refuted: the target times the catch floor.")
    cases = models.JSONField(default=list, help_text="Seeded cases and missed ones of each catch rate when it began.")
    basis = models.CharField(max_length=71, help_text="Weights, signals, grid, start, target: what it was made for.")
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=10, choices=TermEnd.choices, blank=True)

    class Meta:
        constraints = [
            # What routing reads: at most one for each cell.
            models.UniqueConstraint(
                fields=["cell", "advisory"], condition=Q(ended_at=None), name="certificate_in_force_once"
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None, ended_by="") | (Q(ended_at__isnull=False) & ~Q(ended_by="")),
                name="certificate_says_what_ended_it",
            ),
        ]
        # What its cell had before.
        indexes = [models.Index(fields=["cell", "-began_at"], name="certificate_of_cell")]

    def __str__(self) -> str:
        return f"{self.cell} · {self.threshold}"


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
