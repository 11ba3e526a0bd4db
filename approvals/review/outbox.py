"""What agents are told without asking: rows of the outbox, written in the transaction that causes them.

A worker delivers them at least once, or they are listed as dead; whoever hears nothing can always poll.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from approvals import bulk, times
from approvals.ids import new_id
from approvals.models import Delivery, Endpoint
from approvals.policy.schema import Json

DECIDED = "request.decided"
EXPIRED = "request.expired"
CANCELLED = "request.cancelled"
ESCALATED = "request.escalated"
ASKED = "question.asked"
GUIDED = "guidance.given"
INCIDENT = "incident.opened"
TOPICS = (DECIDED, EXPIRED, CANCELLED, ESCALATED, ASKED, GUIDED, INCIDENT)


@dataclass(frozen=True, slots=True)
class News:
    """One thing an agent is told. `data` holds ids and small facts; `callback_url` is told beside the endpoints."""

    agent_id: UUID
    topic: str
    data: Mapping[str, Json]
    approval_id: UUID | None = None
    callback_url: str = ""


def tell(news: Sequence[News]) -> None:
    """Write a delivery for every active endpoint that wants to hear of it. Inside the transaction of the cause."""
    if not news:
        return
    now = times.now()
    wanted = Endpoint.objects.filter(agent__in={one.agent_id for one in news}, active=True)
    endpoints: dict[UUID, list[Endpoint]] = {}
    for endpoint in wanted:
        endpoints.setdefault(endpoint.agent_id, []).append(endpoint)
    bulk.insert(
        [
            Delivery(
                id=new_id(),
                approval_id=one.approval_id,
                endpoint=endpoint,
                channel=Delivery.Channel.WEBHOOK,
                topic=one.topic,
                target=endpoint.url,
                payload={"type": one.topic, "timestamp": now.isoformat(), "data": dict(one.data)},
                due_at=now,
                created_at=now,
            )
            for one in news
            for endpoint in endpoints.get(one.agent_id, ())
            if not endpoint.topics or one.topic in endpoint.topics
        ]
    )
