"""What happened to the agent's requests, as a stream."""

from django.http import HttpResponse

from agents import events, feed
from agents.api.base import AgentView, Call, documented
from agents.schemas.build import Schema, text

_NUMBER: Schema = {"type": "string", "pattern": "^[0-9]{1,18}$"}


class Events(AgentView):
    """Served by ASGI, `agents.events` answers instead, beside Django; this one says what there is, and ends."""

    @documented(
        "Listen to what happens to the agent's requests (server-sent events)",
        name="listen",
        answers={200: "AgentEvent"},
        media="text/event-stream",
        parameters={
            "after": {
                **_NUMBER,
                "description": "What came after this event, then whatever comes. Without it: from now on.",
            },
            "types": text(1000, says="Only these types, separated by commas."),
        },
        headers={"Last-Event-ID": {**_NUMBER, "description": "As `after`: what a client sends when it reconnects."}},
        problems=[422],
    )
    def get(self, call: Call) -> HttpResponse:
        query = {name: call.query_params.getlist(name) for name in call.query_params}
        wish = events.stream_options(query, call.headers.get("Last-Event-ID"))
        after, content, whole = events.start_number(wish), b"retry: 1000\n\n", False
        while not whole:
            page = feed.read([call.agent_id], after)
            after, whole = page.upto, page.whole
            content += feed.lines(page.events, wish.types)
        return HttpResponse(content, content_type="text/event-stream; charset=utf-8")
