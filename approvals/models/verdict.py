"""What people say of an approval: votes, notes, and the decisions that stand or were taken back."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from approvals.db import bulk
from approvals.db.ids import new_id
from approvals.models.approval import Approval
from approvals.models.people import Tier, User
from approvals.models.policy import Verdict
from approvals.models.states import Source


class RejectionReason(models.TextChoices):
    """What a rejection is given for: a list to pick from."""

    WRONG_AMOUNT = "wrong_amount", _("The amount is wrong")
    WRONG_RECIPIENT = "wrong_recipient", _("The recipient or target is wrong")
    NOT_JUSTIFIED = "not_justified", _("Not justified")
    POLICY = "policy", _("Against policy")
    DUPLICATE = "duplicate", _("Duplicate")
    UNCLEAR = "unclear", _("Not enough information")
    OTHER = "other", _("Something else")


class RecallReason(models.TextChoices):
    """What is taken back for: a list to pick from."""

    NOT_NEEDED = "not_needed", _("No longer needed")
    CHANGED = "changed", _("The situation changed")
    MISTAKE = "mistake", _("Approved by mistake")
    DUPLICATE = "duplicate", _("Duplicate")
    POLICY = "policy", _("Against policy")
    OTHER = "other", _("Something else")


class Vote(models.Model):
    """One person's approval where several are needed. Counted in the approval's row itself."""

    approval = models.ForeignKey(Approval, models.PROTECT, related_name="cast", db_index=False)
    revision = models.PositiveIntegerField()
    round = models.PositiveIntegerField()
    stage = models.PositiveSmallIntegerField(default=0, help_text="In which of the stages, from 0.")
    user = models.ForeignKey(User, models.PROTECT, related_name="votes", db_index=False)
    in_place_of = models.ForeignKey(
        User, models.PROTECT, related_name="+", null=True, db_index=False, help_text="Who was away."
    )
    note = models.TextField(blank=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["approval", "revision", "round", "user"], name="vote_once_per_person"),
            # Who is away and who stands in are one voice, whichever of them speaks first.
            models.UniqueConstraint(
                "approval", "revision", "round", Coalesce("in_place_of", "user"), name="vote_once_per_place"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.approval}"


class Note(models.Model):
    """What a person wrote about an approval: a comment, or the words that travel with an escalation."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    approval = models.ForeignKey(Approval, models.PROTECT, related_name="notes")
    seq = models.PositiveIntegerField(help_text="Of the event it belongs to.")
    user = models.ForeignKey(User, models.PROTECT, related_name="notes")
    text = models.TextField()
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["approval", "seq"], name="note_once_per_event")]

    def __str__(self) -> str:
        return self.text[:80]


class Decision(models.Model):
    """A verdict with its words. One that was undone or recalled stays, marked; at most one of an approval stands."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    approval = models.ForeignKey(Approval, models.PROTECT, related_name="decisions", db_index=False)
    revision = models.PositiveIntegerField()
    round = models.PositiveIntegerField()
    verdict = models.CharField(max_length=8, choices=Verdict.choices)
    source = models.CharField(max_length=8, choices=Source.choices)
    user = models.ForeignKey(User, models.PROTECT, related_name="decisions", null=True, db_index=False)
    in_place_of = models.ForeignKey(
        User, models.PROTECT, related_name="+", null=True, db_index=False, help_text="Who was away."
    )
    tier = models.ForeignKey(Tier, models.PROTECT, related_name="decisions", db_index=False)
    surface = models.CharField(max_length=8, default="page", help_text="page, batch, api, clock, policy")
    reason = models.CharField(max_length=40, blank=True, help_text="From the pick-list.")
    message = models.TextField(null=True)  # noqa: DJ001  # null: no message; "" is a message (api.md)
    answer = models.JSONField(null=True)
    alternative = models.CharField(max_length=200, blank=True)
    guidance = models.TextField(blank=True)
    stop = models.BooleanField(default=False)
    remember = models.JSONField(null=True)
    decided_at = models.DateTimeField()
    undone_at = models.DateTimeField(null=True, help_text="When it went before the agent knew of it.")
    recalled_at = models.DateTimeField(null=True, help_text="When it was recalled after its release.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["approval", "revision", "round"], name="decision_once_per_round"),
            models.UniqueConstraint(
                fields=["approval"], condition=Q(undone_at=None, recalled_at=None), name="one_decision_stands"
            ),
            models.CheckConstraint(
                condition=Q(undone_at=None) | Q(recalled_at=None), name="decision_is_undone_or_recalled"
            ),
        ]
        indexes = [
            # How many a person decided within an hour and a shift: how much was read at once.
            models.Index(fields=["user", "decided_at"], condition=Q(user__isnull=False), name="decision_by_person"),
        ]

    def __str__(self) -> str:
        return f"{self.verdict} · {self.approval}"

    @property
    def refused_by_policy(self) -> bool:
        """What is said with it are the approval's reasons; `message` is a person's of before, or none."""
        return self.source == Source.POLICY and self.verdict == Verdict.REJECT

    @classmethod
    def decided_by_within_an_hour(cls, person: User, now: datetime) -> int:
        """How many decisions this person has made in the hour that ends now; undone ones were read, too."""
        return cls.objects.filter(user=person, decided_at__gt=now - timedelta(hours=1), decided_at__lte=now).count()

    @classmethod
    def on(cls, approval: Approval, *, surface: str, at: datetime, **given: object) -> "Decision":
        """What was decided of an approval as its row says by now: its verdict in this round; not saved."""
        return bulk.new_row(
            cls,
            approval=approval,
            revision=approval.revision,
            round=approval.round,
            verdict=approval.verdict,
            source=approval.source,
            tier_id=approval.tier_id,
            surface=surface,
            decided_at=at,
            **given,
        )


class Recall(models.Model):
    """A released approval that a person took back before its permit was used. Append-only."""

    approval = models.OneToOneField(Approval, models.PROTECT, related_name="recall", primary_key=True)
    decision = models.OneToOneField(Decision, models.PROTECT, related_name="recall", help_text="What it ended.")
    user = models.ForeignKey(User, models.PROTECT, related_name="recalls")
    in_place_of = models.ForeignKey(
        User, models.PROTECT, related_name="+", null=True, db_index=False, help_text="Who was away."
    )
    tier = models.ForeignKey(Tier, models.PROTECT, related_name="recalls")
    surface = models.CharField(max_length=8, default="page", help_text="page, api")
    reason = models.CharField(max_length=40, help_text="From the pick-list.")
    message = models.TextField(blank=True, help_text="For the agent.")
    recalled_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=~Q(reason=""), name="recall_has_a_reason")]
        indexes = [models.Index(fields=["user", "-recalled_at"], name="recall_of_person")]

    def __str__(self) -> str:
        return f"{self.reason} · {self.approval_id}"


class Attempt(models.Model):
    """One press of a person, by the id that the page gave it, and the approval that it changed.

    A void one changed nothing and never will: it was looked up before it arrived.
    """

    key = models.UUIDField()
    approval = models.ForeignKey(Approval, models.PROTECT, related_name="attempts", db_index=False)
    user = models.ForeignKey(User, models.PROTECT, related_name="attempts", db_index=False)
    does = models.CharField(max_length=20, help_text="A verdict, or what else it is for.")
    void = models.BooleanField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "approval"], name="attempt_once_per_approval")]
        indexes = [models.Index(fields=["at"], name="attempt_by_age")]

    def __str__(self) -> str:
        return str(self.key)
