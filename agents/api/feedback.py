"""What became of an agent's proposals, as lines of JSON to evaluate and to learn from."""

from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpResponseBase, StreamingHttpResponse
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema

from agents.api.base import AgentView, Call, Query, refusals, typed
from agents.schemas.build import TIME, Schema, integer, ref, text
from approvals.db import cursors
from approvals.db.cursors import Position
from approvals.evidence import feedback
from approvals.evidence.feedback import FeedbackQuery
from approvals.models import Approval
from approvals.values.compact import compact
from approvals.values.schema import Json

LINES = "application/x-ndjson"
MOST, USUAL = 10_000, 1000
_PAGE = 200
_PARAMETERS: Mapping[str, Schema] = {
    "action": text(80, says="Decisions on this action type."),
    "since": {**TIME, "description": "Decided at this time or later."},
    "limit": integer(1, MOST, says=f"Lines of a page; {USUAL} without it."),
    "cursor": text(1000, says="Where the page before ended: the header Link names the next page."),
}


class Feedback(AgentView):
    """The agent's own decisions, newest first."""

    @extend_schema(
        summary="Read decisions as JSON Lines: proposal, verdict, reason, edits by field, outcome",
        operation_id="feedback",
        tags=["agents"],
        responses={
            (200, LINES): OpenApiResponse(dict(ref("FeedbackLine")), ""),
            **refusals([422]),
        },
        parameters=typed(_PARAMETERS, "query"),
    )
    def get(self, call: Call) -> HttpResponseBase:
        query = Query(call, list(_PARAMETERS))
        selection = FeedbackQuery(call.agent_id, query.text("action", 80), query.moment("since"))
        rows = query.rows(MOST, USUAL)
        listed = f"feedback|{call.agent_id}|{selection.action}|{selection.since}"
        after = query.position(listed)
        response = StreamingHttpResponse(_lines(selection, after, rows), content_type=LINES)
        last = list(feedback.decided(selection, after).only("pk", "decided_at")[rows - 1 : rows + 1])
        position = feedback.position_of(last[0]) if len(last) > 1 else None
        if position is not None:
            given = {name: query.text(name) for name in ("action", "since", "limit") if query.text(name)}
            onward = urlencode({**given, "cursor": cursors.write(listed, position)})
            response["Link"] = f'<{settings.ASSENT_BASE_URL}{reverse("api:feedback")}?{onward}>; rel="next"'
        return response


async def _lines(selection: FeedbackQuery, after: Position | None, most: int) -> AsyncIterator[str]:
    """Page by page: memory does not grow with what is asked for."""
    left = most
    while left > 0:
        page = await sync_to_async(_page)(selection, after, min(left, _PAGE))
        if page:
            yield "".join(compact(row) + "\n" for _, row in page)
        if len(page) < _PAGE:
            return
        left -= len(page)
        after = feedback.position_of(page[-1][0])


def _page(selection: FeedbackQuery, after: Position | None, size: int) -> list[tuple[Approval, Mapping[str, Json]]]:
    return feedback.rows(feedback.decided(selection, after)[:size])
