"""One agent workflow, what it did, and how that is undone."""

from datetime import datetime
from uuid import UUID

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from approvals.db import bulk
from approvals.db.ids import new_id
from approvals.db.search import search_words
from approvals.models.people import Agent, User


class Run(models.Model):
    """A workflow (thread) of an agent, named by the agent."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="runs", db_index=False)
    key = models.CharField(max_length=200, help_text="The agent's own id of it.")
    name = models.CharField(max_length=300, blank=True)
    stands_for = models.ForeignKey(
        Agent,
        models.PROTECT,
        related_name="+",
        null=True,
        db_index=False,
        help_text="Of a test case: the agent whose run it looks like. No agent has a key for the one that made it.",
    )
    search_words = SearchVectorField(default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    stopped_at = models.DateTimeField(null=True, help_text="A reviewer ended the whole run.")
    ended_at = models.DateTimeField(null=True, help_text="Its agent said so, or was silent for too long.")

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        constraints = [models.UniqueConstraint(fields=["agent", "key"], name="run_once_per_agent")]
        indexes = [
            # Search among runs.
            GinIndex(fields=["search_words"], name="run_search"),
            # The page of runs.
            models.Index(fields=["-created_at", "-id"], name="run_newest"),
            # The stopped ones, of many.
            models.Index(fields=["stopped_at"], condition=Q(stopped_at__isnull=False), name="run_stopped"),
        ]

    def __str__(self) -> str:
        return self.name or self.key

    @property
    def shown_agent(self) -> Agent:
        """Whose run people read that it is."""
        return self.stands_for or self.agent

    @classmethod
    def of(cls, agent_id: UUID, key: str, name: str, *, at: datetime, stands_for: UUID | None = None) -> "Run":
        """The agent's run of that key, from now on; not saved."""
        pk = new_id()
        return bulk.new_row(
            cls,
            id=pk,
            agent_id=agent_id,
            key=key,
            name=name,
            stands_for_id=stands_for,
            search_words=search_words(key, name, ids=[pk]),
            created_at=at,
        )


class Step(models.Model):
    """Something a run did, and what undoes it."""

    class Status(models.TextChoices):
        STARTED = "started", _("Started")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        UNDOING = "undoing", _("To be undone")
        UNDONE = "undone", _("Undone")
        STUCK = "stuck", _("Undo failed")
        CLOSED = "closed", _("Closed by a person")

    run = models.ForeignKey(Run, models.PROTECT, related_name="steps", db_index=False)
    key = models.CharField(max_length=200)
    position = models.PositiveIntegerField(default=0, help_text="In the order in which they began.")
    approval = models.ForeignKey("approvals.Approval", models.PROTECT, related_name="steps", null=True, db_index=False)
    action = models.JSONField(default=dict, help_text="Name and arguments, as approved.")
    undo = models.JSONField(null=True, help_text="Name and arguments of what undoes it; NULL: nothing does.")
    context = models.JSONField(default=dict)
    status = models.CharField(max_length=7, choices=Status.choices, default=Status.STARTED)
    started_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    undo_asked_at = models.DateTimeField(null=True)
    alarmed_at = models.DateTimeField(null=True, help_text="When people were told that nobody undoes it.")
    undone_at = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Failed attempts to undo it.")
    last_error = models.CharField(max_length=500, blank=True)
    closed_by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True, db_index=False)
    closed_at = models.DateTimeField(null=True)
    closed_note = models.CharField(max_length=1000, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "key"], name="step_once_per_run"),
            models.CheckConstraint(condition=~Q(status="undone") | Q(undone_at__isnull=False), name="step_undone_at"),
            models.CheckConstraint(
                condition=~Q(status="closed") | Q(closed_by__isnull=False), name="step_closed_by_a_person"
            ),
        ]
        indexes = [
            # What is to be undone or was, of all runs and of one.
            models.Index(
                fields=["status", "run"], condition=Q(status__in=["undoing", "stuck", "undone"]), name="step_undo"
            ),
            # The step that an approval became.
            models.Index(fields=["approval"], condition=Q(approval__isnull=False), name="step_of_approval"),
            # When a run was last heard of, without reading all its steps: when the last began,
            models.Index(fields=["run", "-started_at"], name="step_started"),
            # when the last was done,
            models.Index(fields=["run", "-done_at"], condition=Q(done_at__isnull=False), name="step_done"),
            # and when the last was undone.
            models.Index(fields=["run", "-undone_at"], condition=Q(undone_at__isnull=False), name="step_undone"),
        ]

    def __str__(self) -> str:
        return self.key
