"""What goes over the wire, written once: these schemas check what comes in and are the OpenAPI document's components.

DRF's serializers were not taken: the same schemas then serve the document, the check and the tests, and compiled
validators are cheap enough for bulk calls.
"""

from functools import cache

from agents.problems import invalid
from agents.shapes import events, grants, incoming, outgoing, permits, runs, talk
from agents.shapes.build import Schema
from approvals.policy.schema import Json, Validator

COMPONENTS: dict[str, Schema] = {
    **events.COMPONENTS,
    **grants.COMPONENTS,
    **incoming.COMPONENTS,
    **outgoing.COMPONENTS,
    **permits.COMPONENTS,
    **runs.COMPONENTS,
    **talk.COMPONENTS,
}


def check(name: str, body: Json) -> None:
    """Raises Problem 422, with a pointer to every field at fault, unless `body` has the shape of that name."""
    faults = _validator(name).check(body)
    if faults:
        raise invalid(faults)


@cache
def _validator(name: str) -> Validator:
    return Validator({"$ref": f"#/components/schemas/{name}", "components": {"schemas": COMPONENTS}})
