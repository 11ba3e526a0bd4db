"""What agents are told without asking: rows of the outbox, written in the transaction that causes them.

A worker delivers them at least once, or they are listed as dead; whoever hears nothing can always poll.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from uuid import UUID

from django.db.models import Q

from approvals.db import bulk, times
from approvals.db.ids import new_id
from approvals.links import Page, link
from approvals.models import Approval, ApprovalRequest, Delivery, Endpoint, Incident
from approvals.models.states import DISGUISED
from approvals.notify.retry_policy import WEBHOOK
from approvals.values.schema import Json

DECIDED = "request.decided"
RECALLED = "request.recalled"
EXPIRED = "request.expired"
CANCELLED = "request.cancelled"
ESCALATED = "request.escalated"
STAGED = "request.staged"
ASKED = "question.asked"
GUIDED = "guidance.given"
VETOED = "request.vetoed"
FLAGGED = "request.flagged"
INCIDENT = "incident.opened"
TOPICS = (DECIDED, RECALLED, EXPIRED, CANCELLED, ESCALATED, STAGED, VETOED, FLAGGED, ASKED, GUIDED, INCIDENT)

_OF_STATUS = {
    ApprovalRequest.Status.DECIDED: DECIDED,
    ApprovalRequest.Status.EXPIRED: EXPIRED,
    ApprovalRequest.Status.CANCELLED: CANCELLED,
    ApprovalRequest.Status.SUPERSEDED: CANCELLED,
}


@dataclass(frozen=True, slots=True)
class AgentMessage:
    """One thing an agent is told. `data` holds ids and small facts; `callback_url` is told beside the endpoints."""

    agent_id: UUID
    topic: str
    data: Mapping[str, Json]
    approval_id: UUID | None = None
    callback_url: str = ""


def publish(news: Sequence[AgentMessage]) -> None:
    """Write a delivery for every active endpoint that wants to hear of it. Inside the transaction of the cause."""
    if news:
        _write(news, _endpoints({one.agent_id for one in news}))


def tell_closed(closed: Sequence[tuple[ApprovalRequest, Sequence[Approval]]]) -> None:
    """Tell of requests that have just got their answer, each with its approvals in the agent's order."""
    if not closed:
        return
    endpoints = _endpoints({request.agent_id for request, _ in closed})
    _write(
        [
            AgentMessage(
                request.agent_id,
                _OF_STATUS[ApprovalRequest.Status(request.status)],
                _closed_summary(request),
                approval_id=approvals[0].pk,
                callback_url=request.callback_url,
            )
            for request, approvals in closed
            # Most agents have no endpoint, and this is on the way of every submission.
            if request.callback_url or any(one.agent_id == request.agent_id for one in endpoints)
        ],
        endpoints,
    )


def notify_escalated(approvals: Iterable[Approval]) -> None:
    """Tell that these now wait for a higher tier."""
    _publish_waiting(approvals, ESCALATED)


def tell_staged(approvals: Iterable[Approval]) -> None:
    """Tell that these now wait for the people of another stage."""
    _publish_waiting(approvals, STAGED)


def _publish_waiting(approvals: Iterable[Approval], topic: str) -> None:
    approvals_by_id = {one.pk: one for one in approvals}
    if not approvals_by_id:
        return
    urls = dict(ApprovalRequest.objects.filter(approvals__in=approvals_by_id).values_list("pk", "callback_url"))
    endpoints = _endpoints({one.agent_id for one in approvals_by_id.values()})
    hearing = {one.agent_id for one in endpoints}
    _write(
        [
            AgentMessage(
                approval.agent_id,
                topic,
                {
                    "request": str(approval.request_id),
                    "item": approval.item,
                    "status": "pending",
                    "tier": approval.tier_id,
                    "domain": approval.domain_id,
                    "stage": approval.stage + 1 if approval.stages else None,
                    "stages": len(approval.stages),
                    "due_at": approval.due_at.isoformat() if approval.due_at else None,
                    "expires_at": approval.expires_at.isoformat() if approval.expires_at else None,
                    "decision_url": link(Page.DECISION, approval.request_id),
                },
                approval_id=approval.pk,
                callback_url=urls.get(approval.request_id, ""),
            )
            for approval in approvals_by_id.values()
            # Most agents have no endpoint, and ten thousand may climb in one second.
            if approval.agent_id in hearing or urls.get(approval.request_id)
        ],
        endpoints,
    )


def tell_recalled(recalled: Sequence[tuple[ApprovalRequest, Approval]]) -> None:
    """Tell of approvals that were taken back after their release, each in its request."""
    publish(
        [
            AgentMessage(
                request.agent_id,
                RECALLED,
                {
                    "request": str(request.pk),
                    "item": approval.item,
                    "status": "recalled",
                    "decision_url": link(Page.DECISION, request.pk),
                },
                approval.pk,
                request.callback_url,
            )
            for request, approval in recalled
        ]
    )


def tell_incident(incident: Incident, approval: Approval) -> None:
    """Tell that harm came of an approval."""
    data: dict[str, Json] = {
        "incident": str(incident.pk),
        "request": str(approval.request_id),
        "item": approval.item,
        "severity": incident.severity,
    }
    publish([AgentMessage(approval.agent_id, INCIDENT, data, approval.pk, approval.request.callback_url)])


def _closed_summary(request: ApprovalRequest) -> dict[str, Json]:
    """Of the answer: who was asked, and what became of each. No arguments and no words."""
    decision_document = json.loads(request.answer)
    return {
        "request": str(request.pk),
        "status": request.status,
        "items": [
            {name: item.get(name) for name in ("id", "status", "verdict", "source")}
            for item in decision_document["items"]
        ],
        "decision_url": link(Page.DECISION, request.pk),
    }


# --- Rows


def _endpoints(agents: Collection[UUID]) -> list[Endpoint]:
    """Everything that may be told something for these agents, and the places that callbacks went to before."""
    return list(Endpoint.objects.filter(Q(active=True) | Q(callback=True), agent__in=agents))


def _write(news: Sequence[AgentMessage], endpoints: Sequence[Endpoint]) -> None:
    now = times.now()
    places = _callback_endpoints(news, endpoints, now=now)
    endpoints_by_agent: dict[UUID, list[Endpoint]] = {}
    for endpoint in endpoints:
        if not endpoint.callback:
            endpoints_by_agent.setdefault(endpoint.agent_id, []).append(endpoint)
    rows = []
    for news_item in news:
        for endpoint in endpoints_by_agent.get(news_item.agent_id, ()):
            if not endpoint.topics or news_item.topic in endpoint.topics:
                rows.append(_row(news_item, endpoint, endpoint.url, now=now))
        callback_endpoint = places.get((news_item.agent_id, origin_of(news_item.callback_url)))
        if callback_endpoint is not None and callback_endpoint.active:
            rows.append(_row(news_item, callback_endpoint, news_item.callback_url, now=now))
    bulk.insert(_proposed(rows))


def _proposed(rows: Sequence[Delivery]) -> list[Delivery]:
    """Without those of test cases, which are in their agent's name and of which it knows nothing."""
    of = {row.approval_id for row in rows if row.approval_id}
    disguised = set(Approval.objects.filter(pk__in=of, kind__in=DISGUISED).values_list("pk", flat=True)) if of else ()
    return [row for row in rows if row.approval_id not in disguised]


def _row(news: AgentMessage, endpoint: Endpoint, url: str, *, now: datetime) -> Delivery:
    return Delivery(
        id=new_id(),
        approval_id=news.approval_id,
        endpoint=endpoint,
        channel=Delivery.Channel.WEBHOOK,
        topic=news.topic,
        target=url,
        payload={"type": news.topic, "timestamp": now.isoformat(), "data": dict(news.data)},
        due_at=now,
        gives_up_at=now + WEBHOOK.gives_up_after,
        created_at=now,
    )


def origin_of(url: str) -> str:
    """Scheme, host and port of an address: what goes to one place queues together. Empty for no address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}" if parts.netloc else ""


def _callback_endpoints(
    news: Sequence[AgentMessage], endpoints: Sequence[Endpoint], *, now: datetime
) -> dict[tuple[UUID, str], Endpoint]:
    """The rows of the places that callbacks go to, by agent and place; new ones are made."""
    callback_keys = {(one.agent_id, origin_of(one.callback_url)) for one in news if one.callback_url}
    callback_endpoints = {(one.agent_id, one.url): one for one in endpoints if one.callback}
    missing = sorted(callback_keys - callback_endpoints.keys())
    if not missing:
        return callback_endpoints
    made = [
        Endpoint(id=new_id(), agent_id=agent, url=url, secret="", callback=True, created_at=now)
        for agent, url in missing
    ]
    kept = bulk.insert_new(made)
    callback_endpoints |= {(one.agent_id, one.url): one for one in made if one.pk in kept}
    if len(kept) < len(made):
        # Another transaction made the same place at the same moment.
        rows = Endpoint.objects.filter(callback=True, agent__in={agent for agent, _ in missing})
        callback_endpoints |= {(one.agent_id, one.url): one for one in rows}
    return callback_endpoints
