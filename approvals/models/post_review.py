"""What ran without a person and is looked at afterwards."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from approvals.models.approval import Approval
from approvals.models.people import Domain, Tier, User
from approvals.models.run import Run


class PostReview(models.Model):
    """A look, after the fact, at something that nobody was asked about. It approves nothing: the thing has run."""

    class Why(models.TextChoices):
        SAMPLED = "sampled", _("Drawn as a sample")
        VETO = "veto", _("Goes on unless stopped")
        REVIEW = "review", _("Ran ahead of its review")
        SILENCE = "silence", _("Ran because nobody answered")
        DEGRADED = "degraded", _("Passed because nobody could be asked")

    class Finding(models.TextChoices):
        OPEN = "open", _("Not looked at")
        OK = "ok", _("OK")
        FLAGGED = "flagged", _("Problem flagged")
        LAPSED = "lapsed", _("Not stopped in time")
        RECALLED = "recalled", _("Recalled before it ran")

    approval = models.OneToOneField(Approval, models.PROTECT, related_name="post_review", primary_key=True)
    why = models.CharField(max_length=8, choices=Why.choices)
    tier = models.ForeignKey(Tier, models.PROTECT, related_name="post_reviews", db_index=False)
    domain = models.ForeignKey(Domain, models.PROTECT, related_name="post_reviews", db_index=False)
    run = models.ForeignKey(Run, models.PROTECT, related_name="post_reviews", null=True, db_index=False)
    opened_at = models.DateTimeField()
    until = models.DateTimeField(
        null=True, help_text="Until when a veto stops it, or a silent run counts as going on; NULL: there is no hurry."
    )
    finding = models.CharField(max_length=8, choices=Finding.choices, default=Finding.OPEN)
    by = models.ForeignKey(User, models.PROTECT, related_name="post_reviews", null=True, db_index=False)
    at = models.DateTimeField(null=True)
    together = models.BooleanField(default=False, help_text="Said of several in one press: no sign that it was read.")
    note = models.TextField(blank=True)

    class Meta:
        verbose_name = _("post-review")
        verbose_name_plural = _("post-reviews")
        constraints = [
            models.CheckConstraint(
                condition=Q(finding="open", by=None, at=None)
                | Q(finding="lapsed", by=None, at__isnull=False)
                | Q(finding__in=["ok", "flagged", "recalled"], by__isnull=False, at__isnull=False),
                name="post_review_is_open_or_found",
            ),
            models.CheckConstraint(
                condition=~Q(why="veto") | Q(until__isnull=False), name="post_review_veto_has_an_end"
            ),
        ]
        indexes = [
            # What a person may look at now.
            models.Index(fields=["tier", "domain", "opened_at"], condition=Q(finding="open"), name="post_review_open"),
            # What the clock closes.
            models.Index(
                fields=["until"], condition=Q(finding="open", until__isnull=False), name="post_review_lapsing"
            ),
            # Those of one run, which end with it.
            models.Index(fields=["run"], condition=Q(run__isnull=False), name="post_review_of_run"),
        ]

    def __str__(self) -> str:
        return f"{self.why} · {self.approval_id}"
