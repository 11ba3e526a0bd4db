"""Figures added up beforehand: the counts of each cell, what each approval has in them, and how far they reach."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _


class Rollup(models.Model):
    """The counts of the approvals of one day, week or month that share what `kept` names.

    A dimension that is not kept is "" and added up. `counts` are in the order of `contributions.COUNTERS`, `histogram`
    in that of its buckets. Written by one sweep at a time, never by what decides.
    """

    class Grain(models.TextChoices):
        DAY = "day", _("Day")
        WEEK = "week", _("Week")
        MONTH = "month", _("Month")

    generation = models.PositiveIntegerField(help_text="Which rebuild made it.")
    kept = models.PositiveSmallIntegerField(help_text="Which dimensions stand apart, a bit for each.")
    grain = models.CharField(max_length=5, choices=Grain.choices)
    first = models.DateField(help_text="Its first day, in UTC.")
    topic = models.CharField(max_length=240, help_text="A reason, a field or a band; empty: all approvals.")
    action_type = models.CharField(max_length=80)
    agent = models.CharField(max_length=36)
    version = models.CharField(max_length=370, help_text="Model, prompt and tools, as the agent stated them.")
    tier = models.CharField(max_length=6, help_text="Where it started.")
    domain = models.CharField(max_length=40)
    person = models.CharField(max_length=36, help_text="Who decided, or voted.")
    counts = ArrayField(models.BigIntegerField())
    histogram = ArrayField(models.IntegerField())

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    *("generation", "kept", "grain", "first", "topic", "action_type", "agent", "version", "tier"),
                    *("domain", "person"),
                ],
                name="rollup_once_per_cell",
            )
        ]

    def __str__(self) -> str:
        return f"{self.first} {self.grain} {self.kept}"


class RollupEntry(models.Model):
    """What one approval adds to one cell of a day: taken out again when the approval changes."""

    pk = models.CompositePrimaryKey("generation", "approval_id", "cell")
    generation = models.PositiveIntegerField()
    approval_id = models.UUIDField()
    cell = models.BigIntegerField(help_text="The rollup of the day that keeps everything apart.")
    counts = ArrayField(models.BigIntegerField())
    bucket = models.SmallIntegerField(null=True)

    def __str__(self) -> str:
        return f"{self.approval_id} {self.cell}"


class RollupProgress(models.Model):
    """The one row that says which rollups hold and up to which change they have counted."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    generation = models.PositiveIntegerField(default=1)
    seal = models.BigIntegerField(default=0, help_text="The last change that is counted.")
    counted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.generation}: {self.seal}"


class CalibrationRollup(models.Model):
    """The labels of one week's proposals that share what `kept` names, by their scores.

    A dimension that is not kept is "" and added up. `counts` has for each score's name, hundredth and share in
    thousandths how many labels, how many of them right, and the sum of their scores in thousandths. Written by the
    sweep that enters labels, and made again from them.
    """

    class Against(models.TextChoices):
        PEOPLE = "people", _("People's decisions")
        OUTCOMES = "outcomes", _("Outcomes and incidents")

    kept = models.PositiveSmallIntegerField(help_text="Which dimensions stand apart, a bit for each.")
    against = models.CharField(max_length=8, choices=Against.choices)
    first = models.DateField(help_text="The Monday of the week in which they were proposed, in UTC.")
    action_type = models.CharField(max_length=80)
    agent = models.CharField(max_length=36)
    version = models.CharField(max_length=370, help_text="Model, prompt and tools, as the agent stated them.")
    impact = models.CharField(max_length=6)
    counts = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kept", "against", "first", "action_type", "agent", "version", "impact"],
                name="calibration_rollup_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.first} {self.against} {self.kept}"


class WeeklySummary(models.Model):
    """What a week was, as numbers and facts; written once, when it is over."""

    first = models.DateField(primary_key=True, help_text="Its Monday, in UTC.")
    content = models.JSONField()
    made_at = models.DateTimeField()

    class Meta:
        ordering = ["-first"]

    def __str__(self) -> str:
        return self.first.isoformat()
