"""Counters and fitted curves that routing reads at once, however long the past is."""

from django.db import models
from django.db.models import Q

from approvals.models.people import Agent
from approvals.models.policy import ActionType


class Spend(models.Model):
    """What one agent, or one run, was let spend in one hour, in base currency.

    Written in the transaction that lets something run, so that a limit holds for two at once. `spender` is the id of
    the agent or of the run; each amount stands under both.
    """

    pk = models.CompositePrimaryKey("spender", "hour")
    spender = models.UUIDField()
    hour = models.DateTimeField()
    amount = models.DecimalField(max_digits=24, decimal_places=2)

    def __str__(self) -> str:
        return f"{self.spender} {self.hour:%Y-%m-%d %H} {self.amount}"


class Curve(models.Model):
    """How often people approved unchanged what had such a score: a rising step function, fitted to their decisions.

    `points` are [lowest score, highest score, approved, decided] of each step, lowest first. It holds for proposals
    weighed by the same `weights`: other weights make other scores.
    """

    action_type = models.OneToOneField(ActionType, models.CASCADE, related_name="curve", primary_key=True)
    points = models.JSONField()
    decided = models.PositiveIntegerField()
    weights = models.JSONField(default=dict)
    fitted_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(decided__gt=0), name="curve_has_decisions")]

    def __str__(self) -> str:
        return f"{self.action_type_id} · {self.decided}"


class AgentCurve(models.Model):
    """One agent's part in a curve: `counts` are [approved, decided] of its own proposals at each of the points."""

    pk = models.CompositePrimaryKey("curve_id", "agent_id")
    curve = models.ForeignKey(Curve, models.CASCADE, related_name="agents", db_index=False)
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="curves")
    counts = models.JSONField()

    def __str__(self) -> str:
        return f"{self.curve_id} · {self.agent_id}"
