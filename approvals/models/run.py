"""One agent workflow and what it did."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from approvals.ids import new_id
from approvals.models.people import Agent


class Run(models.Model):
    """A workflow (thread) of an agent, named by the agent."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="runs")
    key = models.CharField(max_length=200, help_text="The agent's own id of it.")
    name = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    stopped_at = models.DateTimeField(null=True, help_text="A reviewer ended the whole run.")

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        constraints = [models.UniqueConstraint(fields=["agent", "key"], name="run_once_per_agent")]

    def __str__(self) -> str:
        return self.name or self.key


class Step(models.Model):
    """Something a run did, and what undoes it."""

    run = models.ForeignKey(Run, models.PROTECT, related_name="steps")
    key = models.CharField(max_length=200)
    action = models.JSONField(default=dict)
    undo = models.JSONField(null=True)
    done_at = models.DateTimeField(null=True)
    undone_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "key"], name="step_once_per_run")]

    def __str__(self) -> str:
        return self.key
