"""What agents are told without asking: rows of the outbox, written in the transaction that causes them.

A worker delivers them at least once, or they are listed as dead; whoever hears nothing can always poll.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db.models import Q
from django.urls import reverse

from approvals import bulk, times
from approvals.ids import new_id
from approvals.models import Approval, Delivery, Endpoint, Incident, Pause
from approvals.policy.schema import Json

DECIDED = "request.decided"
RECALLED = "request.recalled"
EXPIRED = "request.expired"
CANCELLED = "request.cancelled"
ESCALATED = "request.escalated"
STAGED = "request.staged"
ASKED = "question.asked"
GUIDED = "guidance.given"
VETOED = "request.vetoed"
OBJECTED = "request.objected"
INCIDENT = "incident.opened"
TOPICS = (DECIDED, RECALLED, EXPIRED, CANCELLED, ESCALATED, STAGED, VETOED, OBJECTED, ASKED, GUIDED, INCIDENT)

# What ten attempts take, and a little: who was away that long finds what is older listed as dead.
GIVES_UP_AFTER = timedelta(hours=76)

_OF_STATUS = {
    Pause.Status.DECIDED: DECIDED,
    Pause.Status.EXPIRED: EXPIRED,
    Pause.Status.CANCELLED: CANCELLED,
    Pause.Status.SUPERSEDED: CANCELLED,
}


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
    if news:
        _write(news, _endpoints({one.agent_id for one in news}))


def tell_closed(closed: Sequence[tuple[Pause, Sequence[Approval]]]) -> None:
    """Tell of requests that have just got their answer, each with its approvals in the agent's order."""
    if not closed:
        return
    endpoints = _endpoints({pause.agent_id for pause, _ in closed})
    _write(
        [
            News(
                pause.agent_id,
                _OF_STATUS[Pause.Status(pause.status)],
                _closed(pause),
                approval_id=approvals[0].pk,
                callback_url=pause.callback_url,
            )
            for pause, approvals in closed
            # Most agents have no endpoint, and this is on the way of every submission.
            if pause.callback_url or any(one.agent_id == pause.agent_id for one in endpoints)
        ],
        endpoints,
    )


def tell_escalated(approvals: Iterable[Approval]) -> None:
    """Tell that these now wait for a higher tier."""
    _tell_whom(approvals, ESCALATED)


def tell_staged(approvals: Iterable[Approval]) -> None:
    """Tell that these now wait for the people of another stage."""
    _tell_whom(approvals, STAGED)


def _tell_whom(approvals: Iterable[Approval], topic: str) -> None:
    asked = {one.pk: one for one in approvals}
    if not asked:
        return
    urls = dict(Pause.objects.filter(approvals__in=asked).values_list("pk", "callback_url"))
    endpoints = _endpoints({one.agent_id for one in asked.values()})
    hearing = {one.agent_id for one in endpoints}
    _write(
        [
            News(
                one.agent_id,
                topic,
                {
                    "request": str(one.pause_id),
                    "item": one.item,
                    "status": "pending",
                    "tier": one.tier_id,
                    "domain": one.domain_id,
                    "stage": one.stage + 1 if one.stages else None,
                    "stages": len(one.stages),
                    "due_at": one.due_at.isoformat() if one.due_at else None,
                    "expires_at": one.expires_at.isoformat() if one.expires_at else None,
                    "decision_url": decision_url(one.pause_id),
                },
                approval_id=one.pk,
                callback_url=urls.get(one.pause_id, ""),
            )
            for one in asked.values()
            # Most agents have no endpoint, and ten thousand may climb in one second.
            if one.agent_id in hearing or urls.get(one.pause_id)
        ],
        endpoints,
    )


def tell_recalled(recalled: Sequence[tuple[Pause, Approval]]) -> None:
    """Tell of approvals that were taken back after their release, each in its request."""
    tell(
        [
            News(
                pause.agent_id,
                RECALLED,
                {
                    "request": str(pause.pk),
                    "item": approval.item,
                    "status": "recalled",
                    "decision_url": decision_url(pause.pk),
                },
                approval.pk,
                pause.callback_url,
            )
            for pause, approval in recalled
        ]
    )


def tell_incident(incident: Incident, approval: Approval) -> None:
    """Tell that harm came of an approval."""
    data: dict[str, Json] = {
        "incident": str(incident.pk),
        "request": str(approval.pause_id),
        "item": approval.item,
        "severity": incident.severity,
    }
    tell([News(approval.agent_id, INCIDENT, data, approval.pk, approval.pause.callback_url)])


def decision_url(pause_id: UUID) -> str:
    """Where the agent reads the decision."""
    return settings.ASSENT_BASE_URL + reverse("api_decision", args=[pause_id])


def _closed(pause: Pause) -> dict[str, Json]:
    """Of the answer: who was asked, and what became of each. No arguments and no words."""
    told = json.loads(pause.answer)
    return {
        "request": str(pause.pk),
        "status": pause.status,
        "items": [{name: item.get(name) for name in ("id", "status", "verdict", "source")} for item in told["items"]],
        "decision_url": decision_url(pause.pk),
    }


# --- Rows


def _endpoints(agents: Collection[UUID]) -> list[Endpoint]:
    """Everything that may be told something for these agents, and the places that callbacks went to before."""
    return list(Endpoint.objects.filter(Q(active=True) | Q(callback=True), agent__in=agents))


def _write(news: Sequence[News], endpoints: Sequence[Endpoint]) -> None:
    now = times.now()
    places = _places(news, endpoints, now=now)
    told: dict[UUID, list[Endpoint]] = {}
    for endpoint in endpoints:
        if not endpoint.callback:
            told.setdefault(endpoint.agent_id, []).append(endpoint)
    rows = []
    for one in news:
        for endpoint in told.get(one.agent_id, ()):
            if not endpoint.topics or one.topic in endpoint.topics:
                rows.append(_row(one, endpoint, endpoint.url, now=now))
        place = places.get((one.agent_id, place_of(one.callback_url)))
        if place is not None and place.active:
            rows.append(_row(one, place, one.callback_url, now=now))
    bulk.insert(rows)


def _row(news: News, endpoint: Endpoint, url: str, *, now: datetime) -> Delivery:
    return Delivery(
        id=new_id(),
        approval_id=news.approval_id,
        endpoint=endpoint,
        channel=Delivery.Channel.WEBHOOK,
        topic=news.topic,
        target=url,
        payload={"type": news.topic, "timestamp": now.isoformat(), "data": dict(news.data)},
        due_at=now,
        gives_up_at=now + GIVES_UP_AFTER,
        created_at=now,
    )


def place_of(url: str) -> str:
    """Scheme, host and port of an address: what goes to one place queues together. Empty for no address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}" if parts.netloc else ""


def _places(news: Sequence[News], endpoints: Sequence[Endpoint], *, now: datetime) -> dict[tuple[UUID, str], Endpoint]:
    """The rows of the places that callbacks go to, by agent and place; new ones are made."""
    wanted = {(one.agent_id, place_of(one.callback_url)) for one in news if one.callback_url}
    found = {(one.agent_id, one.url): one for one in endpoints if one.callback}
    missing = sorted(wanted - found.keys())
    if not missing:
        return found
    made = [
        Endpoint(id=new_id(), agent_id=agent, url=place, secret="", callback=True, created_at=now)
        for agent, place in missing
    ]
    kept = bulk.insert_new(made)
    found |= {(one.agent_id, one.url): one for one in made if one.pk in kept}
    if len(kept) < len(made):
        # Another transaction made the same place at the same moment.
        rows = Endpoint.objects.filter(callback=True, agent__in={agent for agent, _ in missing})
        found |= {(one.agent_id, one.url): one for one in rows}
    return found
