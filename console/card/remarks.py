"""What was said about an approval beside its verdict: questions and answers, advice, harm."""

from functools import cached_property

from approvals.history.facts import Amended
from approvals.models import AgentQuestion, Approval, AuditEvent, Guidance, Incident
from console.labels import PARTS


class Conversation:
    """Read when the template asks for it, and only for whoever may read the card."""

    def __init__(self, approval: Approval) -> None:
        self.approval = approval

    def __bool__(self) -> bool:
        """True where there is a thread to show."""
        return bool(self.questions or self.guidance)

    @cached_property
    def questions(self) -> list[AgentQuestion]:
        return list(self.approval.inquiries.select_related("user").order_by("asked_at", "pk"))

    @cached_property
    def guidance(self) -> list[Guidance]:
        return list(self.approval.guidance.select_related("user").order_by("given_at", "pk"))

    @cached_property
    def incidents(self) -> list[Incident]:
        return list(self.approval.incidents.select_related("opened_by").order_by("opened_at", "pk"))

    @cached_property
    def rewritten(self) -> list[str]:
        """Which parts of its own text the agent changed with this revision."""
        proposal = self.approval.proposal
        if self.approval.revision < 2 or proposal is None or proposal.author_id is not None:
            return []
        event = self.approval.events.filter(kind=AuditEvent.Kind.AMENDED).order_by("-seq").first()
        return [str(PARTS[name]) for name in Amended.of_event(event).parts if name in PARTS] if event else []
