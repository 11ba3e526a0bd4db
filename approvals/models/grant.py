"""What was approved beforehand: the steps of a plan, and standing approvals."""

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from approvals.db.ids import new_id
from approvals.models.approval import Approval
from approvals.models.people import Agent, Tier, User
from approvals.models.policy import ActionType


class PlannedStep(models.Model):
    """A step of an approved plan: an action with exactly this digest passes once, until it expires."""

    plan = models.ForeignKey(Approval, models.PROTECT, related_name="planned", db_index=False)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="planned", db_index=False)
    step = models.CharField(max_length=200, help_text="The agent's own id of it, unique in its plan.")
    position = models.PositiveSmallIntegerField()
    action = models.JSONField(help_text="Name and arguments, as approved.")
    digest = models.CharField(max_length=71)
    depends_on = ArrayField(models.CharField(max_length=200), default=list)
    undo = models.JSONField(null=True)
    expires_at = models.DateTimeField()
    used_by = models.OneToOneField(Approval, models.PROTECT, related_name="planned_step", null=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["plan", "step"], name="planned_step_once"),
            models.CheckConstraint(
                condition=Q(used_by=None, used_at=None) | Q(used_by__isnull=False, used_at__isnull=False),
                name="planned_step_used_with_time",
            ),
        ]
        indexes = [
            # The step that an action is, which passes by it.
            models.Index(fields=["agent", "digest"], condition=Q(used_by=None), name="planned_step_open"),
            # Whether an agent has any plan in force: asked for every set of submissions.
            models.Index(fields=["agent", "expires_at"], name="planned_step_of_agent"),
        ]

    def __str__(self) -> str:
        return f"{self.plan_id} · {self.step}"


class Grant(models.Model):
    """A standing approval: what of one agent and action type passes without asking, how often, and until when.

    It never covers what is irreversible, manual or blocked, and nothing above the tier of who granted it. `reserved` of
    the uses are set aside for an agent that cannot reach us: both ways together never exceed `most`. Only the counts
    and the revocation of a row ever change; a trigger refuses the rest.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="grants", verbose_name=_("agent"))
    action_type = models.ForeignKey(ActionType, models.PROTECT, related_name="grants", verbose_name=_("action type"))
    conditions = models.JSONField(
        _("where"),
        default=list,
        blank=True,
        help_text=_("All of them hold: a path into the arguments, a comparison, a value."),
    )
    expression = models.TextField(
        _("and when"), blank=True, help_text=_("CEL, as in rules. Grants with one cannot be used offline.")
    )
    tier = models.ForeignKey(Tier, models.PROTECT, related_name="grants", verbose_name=_("up to tier"))
    most = models.PositiveIntegerField(_("times"), validators=[MinValueValidator(1)])
    used = models.PositiveIntegerField(_("used"), default=0, help_text="Both ways together.")
    reserved = models.PositiveIntegerField(
        _("of them while Assent is out of reach"), default=0, help_text=_("Reversible action types only.")
    )
    used_offline = models.PositiveIntegerField(default=0)
    expires_at = models.DateTimeField(_("until"))
    reason = models.CharField(_("why"), max_length=300, blank=True)
    origin = models.ForeignKey(Approval, models.PROTECT, related_name="granted", null=True)
    granted_by = models.ForeignKey(User, models.PROTECT, related_name="grants", verbose_name=_("granted by"))
    granted_at = models.DateTimeField(_("granted"))
    revoked_by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("standing approval")
        verbose_name_plural = _("standing approvals")
        ordering = ["-granted_at"]
        constraints = [
            models.CheckConstraint(condition=Q(used__lte=F("most")), name="grant_used_within_count"),
            models.CheckConstraint(
                condition=Q(
                    used_offline__lte=F("reserved"),
                    reserved__lte=F("most"),
                    used__lte=F("most") - F("reserved") + F("used_offline"),
                ),
                name="grant_uses_stay_apart",
            ),
            models.CheckConstraint(condition=Q(expires_at__gt=F("granted_at")), name="grant_ends_after_it_starts"),
            models.CheckConstraint(condition=Q(reserved=0) | Q(expression=""), name="offline_grant_is_simple"),
            models.CheckConstraint(
                # Without a person: its agent withdrew the approval on whose card it was given.
                condition=Q(revoked_by=None) | Q(revoked_at__isnull=False),
                name="grant_revoked_with_time",
            ),
        ]
        indexes = [
            models.Index(fields=["agent", "action_type"], condition=Q(revoked_at=None), name="grant_of_agent"),
        ]

    def __str__(self) -> str:
        return f"{self.agent} · {self.action_type}"

    @property
    def left(self) -> int:
        """How often it still lets something pass that is asked here."""
        return self.most - self.reserved - (self.used - self.used_offline)
