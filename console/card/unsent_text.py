"""Unsent text on its way: what a page sends to be kept, and the forms that were sent after all."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from approvals.decisions import unsent_text
from approvals.decisions.unsent_text import FormKey
from approvals.models import User
from console.middleware import SyncAsyncMiddleware

# Answers whose forms may carry a verdict: while it is held, an undo brings back what was typed.
VERDICTS = frozenset({"card:decide", "card:modify", "plan:plan", "grants:like"})
LARGEST = 4 * unsent_text.LONGEST  # bytes of a message, before it is read at all


class BadUnsentText(Exception):
    """What a page sent is no unsent text."""


@dataclass(frozen=True, slots=True)
class Message:
    """What one tab's form holds now."""

    form: FormKey
    tab: str
    turn: int
    fields: Mapping[str, list[str]]
    instead_of: str
    person: str


def read(body: bytes) -> Message:
    """Raises Unreadable."""
    if len(body) > LARGEST:
        raise unsent_text.UnsentTextTooLong
    try:
        given = json.loads(body)
        match given:
            case {"person": str(person), "tab": str(tab), "turn": int(turn), "fields": dict(fields)} if (
                0 <= turn < 2**63
            ):
                instead_of = str(given.get("instead_of", ""))[:80]
                return Message(_form(given), tab[:40], turn, _texts(fields), instead_of, person)
    except (ValueError, RecursionError) as error:
        raise BadUnsentText from error
    raise BadUnsentText


def _form(given: Mapping[str, Any]) -> FormKey:
    slot, version = given.get("slot"), given.get("version", "")
    if not isinstance(slot, str) or not 0 < len(slot) <= 60 or not isinstance(version, str) or len(version) > 200:
        raise BadUnsentText
    if "\0" in slot + version:
        raise BadUnsentText
    return FormKey(slot, version, _id(given.get("approval")), _id(given.get("run")))


def _id(given: object) -> UUID | None:
    return UUID(str(given)) if given else None


def _texts(fields: Mapping[str, Any]) -> dict[str, list[str]]:
    if not all(
        isinstance(values, list) and all(isinstance(value, str) for value in values) for values in fields.values()
    ):
        raise BadUnsentText
    return dict(fields)


class SentTextMiddleware(SyncAsyncMiddleware):
    """Discards the unsent text of a form that was accepted.

    The page sends `unsent` along: which forms, of which tab.
    """

    def at_once(self, request: HttpRequest) -> HttpResponseBase:
        response = super().at_once(request)
        if _was_taken(request, response):
            _delete_sent_texts(request)
        return response

    async def awaited(self, request: HttpRequest) -> HttpResponseBase:
        response = await super().awaited(request)
        if _was_taken(request, response):
            await sync_to_async(_delete_sent_texts)(request)
        return response


def _was_taken(request: HttpRequest, response: HttpResponseBase) -> bool:
    return request.method == "POST" and response.status_code < 400 and "unsent" in request.POST


def _delete_sent_texts(request: HttpRequest) -> None:
    user, match = request.user, request.resolver_match
    if not isinstance(user, User) or match is None:
        return
    try:
        given = json.loads(request.POST["unsent"])
        forms = [_form({**given, "slot": slot}) for slot in given["slots"]]
    except (ValueError, TypeError, KeyError, BadUnsentText):
        return  # nothing that a page of ours sends
    tab, instead_of = str(given.get("tab", ""))[:40], str(given.get("instead_of", ""))[:80]
    for form in forms[:10]:
        unsent_text.discard_sent(form, by=user, tab=tab, verdict=match.view_name in VERDICTS, instead_of=instead_of)
