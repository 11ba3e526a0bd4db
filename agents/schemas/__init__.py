"""What goes over the wire, written once: these schemas check what comes in and are the OpenAPI document's components.

DRF's serializers were not taken: the same schemas then serve the document, the check and the tests, and compiled
validators are cheap enough for bulk calls.
"""

import json
import re
from functools import cache

from agents.problems import invalid
from agents.schemas import conversation, events, execution, incoming, outgoing
from agents.schemas.build import Schema
from approvals.values.schema import Json, Validator

COMPONENTS: dict[str, Schema] = {
    **events.COMPONENTS,
    **execution.COMPONENTS,
    **incoming.COMPONENTS,
    **outgoing.COMPONENTS,
    **conversation.COMPONENTS,
}


def check(name: str, body: Json) -> None:
    """Raises Problem 422, with a pointer to every field at fault, unless `body` has the shape of that name."""
    faults = _validator(name).check(body)
    if faults:
        raise invalid(faults)


@cache
def _validator(name: str) -> Validator:
    return Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": COMPONENTS}})


def sent_by_agents() -> dict[str, Schema]:
    """The shapes of what agents send, with all that they refer to: what the SDK's fake gateway checks with."""
    names = [
        *("ItemsRequest", "FlatRequest", "Cancellation", "Amendment", "LeaseWish", "PermitUse", "OutcomeReport"),
        *("StepReport", "UndoReport", "RunEnd", "QuestionAnswer", "IncidentReport", "GrantUses"),
    ]
    shapes: dict[str, Schema] = {}
    while names:
        name = names.pop()
        if name not in shapes:
            shapes[name] = COMPONENTS[name]
            names += re.findall(r'"#/components/schemas/(\w+)"', json.dumps(COMPONENTS[name]))
    return shapes
