"""People's tools: the inbox and the verdicts of one person, with the same authority as on the page."""

from collections.abc import Mapping
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Least
from rest_framework.response import Response

from agents import cards
from agents.api.base import PAGED, Call, PersonView, Query, documented
from agents.problems import Problem, invalid, not_found
from agents.schemas.build import text
from approvals.db import cursors, times
from approvals.db.cursors import Position
from approvals.decisions import batches, claims
from approvals.decisions.card_version import CardVersion
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import NoAnswer, VerdictInput
from approvals.errors import BadVerdict
from approvals.execution import recall
from approvals.models import Approval, NotificationRecord, User
from approvals.models.policy import Gate
from approvals.notify import reached
from approvals.people import access, authorities, eligibility
from approvals.values.edits import BadEdit, Operation, read_operations
from approvals.values.schema import Fault, Json

_SHOWN = ("proposal", "agent", "action_type", "claimed_by", "decided_by", "tier", "request__run")


def visible(person: User, pk: UUID) -> Approval:
    """An approval that this person may open. Raises Problem 404."""
    approval = access.visible_to(person).select_related(*_SHOWN).filter(pk=pk).first()
    if approval is None:
        raise not_found()
    return approval


class Inbox(PersonView):
    """What waits for this person."""

    @documented(
        "List the open approvals of one's queues, least time left first",
        name="list_inbox",
        answers={200: "InboxList"},
        parameters={
            "action": text(80, says="Only this action type."),
            "agent": text(80, says="Only this agent's."),
            **PAGED,
        },
        problems=[422],
        tag="people",
    )
    def get(self, call: Call) -> Response:
        query = Query(call, ["action", "agent", "limit", "cursor"])
        action, agent, rows = query.text("action", 80), query.text("agent", 80), query.rows()
        # Whatever waits has a time of its tier or a deadline; both are in the index that the order uses.
        waiting = access.inbox_of(self.person(call)).annotate(next_at=Least("due_at", "expires_at"))
        waiting = waiting.filter(next_at__isnull=False)
        if action:
            waiting = waiting.filter(action_type=action)
        if agent:
            waiting = waiting.filter(agent__name=agent)
        listed = f"inbox|{call.user_id}|{action}|{agent}"
        if position := query.position(listed):
            at, pk = position
            waiting = waiting.filter(Q(next_at__gt=at) | Q(next_at=at, pk__gt=pk))
        approvals = list(waiting.select_related(*_SHOWN)[: rows + 1])
        last = approvals[rows - 1] if len(approvals) > rows else None
        now = times.now()
        authority = authorities.authority_of(self.person(call))
        mine = [one for one in approvals[:rows] if authority.decides(one.tier_id, one.domain_id, one.agent_id)]
        reached.record_notified(reached.waiting_places(mine), NotificationRecord.By.INBOX)
        return Response(
            {
                "approvals": [cards.entry(one, now=now) for one in approvals[:rows]],
                "next": cursors.write(listed, Position(last.next_at, last.pk)) if last else None,
            }
        )


class Card(PersonView):
    """One approval with everything a decision needs."""

    @documented("Open an approval", name="read_card", answers={200: "Card"}, problems=[404], tag="people")
    def get(self, call: Call, pk: UUID) -> Response:
        person = self.person(call)
        return _card(person, pk)


class Claim(PersonView):
    """I am reading this."""

    body_is_optional = True

    @documented(
        "Claim an approval, or extend the claim",
        name="claim",
        body="Claiming",
        answers={200: "Card"},
        problems=[400, 404, 409, 413, 415, 422],
        tag="people",
    )
    def post(self, call: Call, pk: UUID) -> Response:
        body = call.shaped("Claiming")
        person = self.person(call)
        visible(person, pk)
        claims.claim(pk, by=person, take_over=body.get("take_over") is True)
        return _card(person, pk)


class Decide(PersonView):
    """A verdict on exactly what was read."""

    @documented(
        "Decide an approval",
        name="decide",
        body="Verdict",
        answers={200: "Card"},
        problems=[400, 404, 409, 413, 415, 422],
        tag="people",
    )
    def post(self, call: Call, pk: UUID) -> Response:
        body = call.shaped("Verdict")
        person = self.person(call)
        approval = visible(person, pk)
        if eligibility.page_only(approval):
            again = " and to sign in again" if approval.gate == Gate.MANUAL else ""
            raise Problem(403, "manual_gate", f"This is decided on the page only: it asks to type a value{again}.")
        seen = _card_version(approval, body)
        decide(seen, by=person, verdict=str(body["verdict"]), verdict_input=_verdict_input(body))
        return _card(person, pk)


class Recall(PersonView):
    """A released approval whose permit nobody has used. Manual gates too: to take back is always safe."""

    @documented(
        "Recall a released approval whose permit is unused",
        name="recall",
        body="Recall",
        answers={200: "Card"},
        problems=[400, 404, 409, 413, 415, 422],
        tag="people",
    )
    def post(self, call: Call, pk: UUID) -> Response:
        body = call.shaped("Recall")
        person = self.person(call)
        approval = visible(person, pk)
        recall.recall(_card_version(approval, body), by=person, verdict_input=_verdict_input(body))
        return _card(person, pk)


class Batch(PersonView):
    """One verdict on several alike approvals, each settled by itself."""

    @documented(
        "Approve or reject several alike approvals; each has its own result",
        name="decide_batch",
        body="Batch",
        answers={200: "BatchAnswer"},
        problems=[400, 413, 415, 422],
        tag="people",
    )
    def post(self, call: Call) -> Response:
        body = call.shaped("Batch")
        person = self.person(call)
        items = body["items"] if isinstance(body["items"], list) else []
        items_by_id = {UUID(str(item["id"])): (at, item) for at, item in enumerate(items) if isinstance(item, Mapping)}
        there = access.visible_to(person).in_bulk(items_by_id)
        seen = [_card_version(there[pk], item, f"/items/{at}") for pk, (at, item) in items_by_id.items() if pk in there]
        outcomes = batches.decide_many(
            seen, by=person, verdict=str(body["verdict"]), verdict_input=_verdict_input(body, "batch")
        )
        results = {one.id: {"id": str(one.id), "ok": one.ok, "text": one.text} for one in outcomes}
        nowhere = "There is no such approval."
        return Response(
            {"results": [results.get(pk) or {"id": str(pk), "ok": False, "text": nowhere} for pk in items_by_id]}
        )


def _card(person: User, pk: UUID) -> Response:
    """The approval as it stands now."""
    return Response(cards.card(visible(person, pk), reader=person, now=times.now()))


def _card_version(approval: Approval, body: Mapping[str, Json], pointer: str = "") -> CardVersion:
    """What the tool read; nothing of it is guessed. Raises Problem 422 where there are stages and it names none."""
    stage = body.get("stage")
    if stage is None and approval.stages:
        raise invalid([Fault(f"{pointer}/stage", "It has stages: send the one that was read.")])
    return CardVersion(
        approval.pk,
        _integer(body["revision"]),
        _integer(body["round"]),
        str(body["digest"]),
        0 if stage is None else _integer(stage) - 1,
    )


def _integer(number: Json) -> int:
    return int(number) if isinstance(number, int | float) else 0


def _operations(listed: Json) -> tuple[Operation, ...]:
    try:
        return read_operations(listed)
    except BadEdit as error:
        raise BadVerdict([Fault(f"/edits{error.fault.pointer}", error.fault.message)]) from error


def _verdict_input(body: Mapping[str, Json], surface: str = "api") -> VerdictInput:
    message = body.get("message")
    return VerdictInput(
        message=None if message is None else str(message),
        reason=str(body.get("reason", "")),
        edits=_operations(body.get("edits", [])),
        steps=body.get("steps"),
        alternative=str(body.get("alternative", "")),
        answer=body.get("answer", NoAnswer.NOTHING),
        stop=body.get("stop") is True,
        guidance=str(body.get("guidance", "")),
        remember=body.get("remember"),
        surface=surface,
    )
