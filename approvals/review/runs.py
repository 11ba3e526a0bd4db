"""What a run did, and what is to be undone of it."""

from uuid import UUID

from approvals.models import Step
from approvals.policy.schema import Json


def compensations(run_id: UUID) -> list[Json]:
    """The undos of what a run has done, newest first, with the arguments as approved: what its agent is to run."""
    done = Step.objects.filter(
        run=run_id, status__in=[Step.Status.DONE, Step.Status.UNDOING], undo__isnull=False
    ).order_by("-position")
    return [{"step": step.key, "action": step.action, "undo": step.undo} for step in done]
