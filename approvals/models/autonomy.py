"""How far an agent is trusted with one action type: levels, the evidence for the next one, and breakers."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from approvals.db.ids import new_id
from approvals.models.people import Agent, User
from approvals.models.policy import ActionType, Impact


class Autonomy(models.Model):
    """How much an agent may do by itself with one action type, in the version that it states of itself.

    A version that was never seen goes by the newest one's row, and where there is none by the type's first level.
    `level` holds for each band of value that has none of its own.
    """

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="autonomy")
    action_type = models.ForeignKey(ActionType, models.CASCADE, related_name="autonomy")
    agent_model = models.CharField(_("model"), max_length=120, blank=True)
    prompt_version = models.CharField(_("prompt"), max_length=120, blank=True)
    tool_version = models.CharField(_("tools"), max_length=120, blank=True)
    newest = models.BooleanField(default=True, editable=False)
    level = models.PositiveSmallIntegerField(
        _("level"), default=1, validators=[MinValueValidator(1), MaxValueValidator(4)]
    )
    level_medium = models.PositiveSmallIntegerField(_("level of medium impact"), null=True, editable=False)
    level_high = models.PositiveSmallIntegerField(_("level of high impact"), null=True, editable=False)
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
            models.UniqueConstraint(
                fields=["agent", "action_type", "agent_model", "prompt_version", "tool_version"],
                name="autonomy_once_per_version",
            ),
            models.UniqueConstraint(
                fields=["agent", "action_type"], condition=Q(newest=True), name="autonomy_one_is_newest"
            ),
            models.CheckConstraint(
                condition=Q(level__range=(1, 4))
                & (Q(level_medium=None) | Q(level_medium__range=(1, 4)))
                & (Q(level_high=None) | Q(level_high__range=(1, 4))),
                name="autonomy_level_is_1_to_4",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent} · {self.action_type} · {self.level}"

    @property
    def version(self) -> str:
        """What the agent states of itself, in one line; empty where it states nothing."""
        return " · ".join(filter(None, (self.agent_model, self.prompt_version, self.tool_version)))

    @property
    def pair(self) -> str:
        """What history calls the agent and the action type."""
        return f"autonomy:{self.agent.name}/{self.action_type_id}"

    def level_in(self, impact: str) -> int:
        """The level that holds in this band of value."""
        own = {Impact.MEDIUM: self.level_medium, Impact.HIGH: self.level_high}.get(Impact(impact))
        return self.level if own is None else own


class LevelEvidence(models.Model):
    """What was seen of one band of value since its present level began, and what it proves: what signing goes by.

    The counters behind it are in the cell of its labels.
    """

    autonomy = models.ForeignKey(Autonomy, models.CASCADE, related_name="evidence", db_index=False)
    impact = models.CharField(max_length=6, choices=Impact.choices)
    began_at = models.DateTimeField(help_text="When the present level began.")
    counts_from = models.DateTimeField(help_text="What was proposed before does not count: another level, or bar.")
    labels = models.PositiveIntegerField(default=0)
    wrong = models.PositiveIntegerField(default=0)
    e = models.FloatField(default=1.0, help_text="Against the claim that more than the bar are wrong, now.")
    e_needed = models.FloatField(default=20.0)
    needed = models.PositiveIntegerField(null=True, help_text="More labels without a fault; NULL: never, or unknown.")
    fewest = models.PositiveIntegerField(null=True, help_text="Labels that a start without a fault takes.")
    careful = models.BooleanField(default=True, help_text="Nothing measures how well people read: it is assumed.")
    earned = models.BooleanField(default=False)
    warned = models.BooleanField(default=False, help_text="More is drawn for post-review while it looks worse.")
    may_lose_gate = models.BooleanField(default=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["autonomy", "impact"], name="level_evidence_once_per_band"),
            models.CheckConstraint(condition=Q(wrong__lte=models.F("labels")), name="level_evidence_counts"),
        ]

    def __str__(self) -> str:
        return f"{self.autonomy_id} {self.impact}"


class Breaker(models.Model):
    """While it is open everything of its agent, its action type, or the pair asks a person.

    It closes by a person alone, after a trial: so many considered decisions with at most so many faults.
    """

    class Cause(models.TextChoices):
        ALARM = "alarm", _("More was wrong than the bar allows")
        INCIDENT = "incident", _("An incident of high severity")
        HAND = "hand", _("Opened by hand")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(
        Agent, models.CASCADE, related_name="breakers", verbose_name=_("agent"), null=True, blank=True,
        help_text=_("Empty: every agent."),
    )  # fmt: skip
    action_type = models.ForeignKey(
        ActionType, models.CASCADE, related_name="breakers", verbose_name=_("action type"), null=True, blank=True,
        help_text=_("Empty: everything that the agent does."),
    )  # fmt: skip
    cause = models.CharField(_("cause"), max_length=8, choices=Cause.choices, default=Cause.HAND)
    why = models.CharField(_("why"), max_length=500, blank=True)
    trial_decisions = models.PositiveSmallIntegerField(
        _("decisions of the trial"), default=20, validators=[MinValueValidator(1), MaxValueValidator(500)]
    )
    trial_wrong = models.PositiveSmallIntegerField(
        _("of which may be wrong"), default=0, validators=[MaxValueValidator(500)]
    )
    trial_began_at = models.DateTimeField(help_text="What was proposed before is no part of the trial.")
    opened_at = models.DateTimeField(_("opened"))
    opened_by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True, db_index=False)  # NULL: by itself
    closed_at = models.DateTimeField(_("closed"), null=True)
    closed_by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True, db_index=False)

    class Meta:
        verbose_name = _("breaker")
        verbose_name_plural = _("breakers")
        ordering = ["-opened_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(agent__isnull=False) | Q(action_type__isnull=False), name="breaker_is_of_something"
            ),
            models.CheckConstraint(
                condition=Q(closed_at=None, closed_by=None) | Q(closed_at__isnull=False, closed_by__isnull=False),
                name="breaker_is_closed_by_a_person",
            ),
            models.CheckConstraint(
                condition=Q(trial_decisions__gte=1) & Q(trial_wrong__lt=models.F("trial_decisions")),
                name="breaker_trial_can_be_failed",
            ),
            models.UniqueConstraint(
                fields=["agent", "action_type"],
                condition=Q(closed_at=None),
                nulls_distinct=False,
                name="breaker_opens_once",
            ),
        ]

    def __str__(self) -> str:
        return " · ".join(str(part) for part in (self.agent, self.action_type) if part is not None)

    @property
    def subject(self) -> str:
        """What history calls what it is of."""
        if self.agent is None:
            return f"action_type:{self.action_type_id}"
        return (
            f"autonomy:{self.agent.name}/{self.action_type_id}" if self.action_type_id else f"agent:{self.agent.name}"
        )
