"""What happened to the agent's requests, as a stream."""

from agents import auth, events, threads
from agents.api.base import Call, HeldView, documented
from agents.schemas.build import Schema, text

_NUMBER: Schema = {"type": "string", "pattern": "^[0-9]{1,18}$"}


class Events(HeldView):
    """Whatever comes, as long as the agent listens."""

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
    async def get(self, call: Call) -> events.EventStream:
        query = {name: call.query_params.getlist(name) for name in call.query_params}
        wish = events.stream_options(query, call.headers.get("Last-Event-ID"))
        events.within_streams(call.auth)
        return await threads.reads.run(events.EventStream, call.auth, auth.secret_of(call), wish)
