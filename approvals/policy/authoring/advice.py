"""Advice on an action type: what may be saved, and is probably not meant."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import pairwise

from django.utils.translation import gettext as _

from approvals.models.policy import Impact
from approvals.values.schema import Json

_RISING = (Impact.LOW, Impact.MEDIUM, Impact.HIGH)
Bands = tuple[Decimal, Decimal]


def doubts_about_type(schema: Mapping[str, Json], own: Bands, by_impact: Mapping[str, Bands]) -> Iterator[str]:
    """Doubts about a schema, and about bands (passes from, a person from): its own and those of bands of impact."""
    yield from _of_schema(schema)
    yield from _of_bands(own, by_impact)


def _of_schema(schema: Mapping[str, Json]) -> Iterator[str]:
    kind = schema.get("type")
    kinds = {kind} if isinstance(kind, str) else set(kind) if isinstance(kind, list | tuple) else set()
    if not schema:
        yield _(
            "The schema is empty: agents may send anything, nothing is checked, and reviewers edit JSON instead of "
            "fields. List the arguments under “properties”."
        )
    elif kinds and "object" not in kinds:
        yield _(
            "By the schema the arguments are no object with names, so no rule, value or headline can name one of them. "
            'Begin it with {"type": "object", "properties": …}.'
        )
    elif not schema.get("properties") and not {"$ref", "allOf", "anyOf", "oneOf"} & schema.keys():
        yield _("The schema names no arguments: agents may send any, and reviewers have no fields for them.")


def _of_bands(own: Bands, by_impact: Mapping[str, Bands]) -> Iterator[str]:
    bands = [(impact, by_impact.get(impact, own)) for impact in _RISING]
    for (lower, (passes, asks)), (higher, (passes_higher, asks_higher)) in pairwise(bands):
        facts = {"lower": lower.label.lower(), "higher": higher.label.lower()}
        if passes_higher < passes:
            yield _(
                "The bands are upside down: what is of %(higher)s passes from %(more)s, and what is of "
                "%(lower)s only from %(less)s."
            ) % {**facts, "more": passes_higher, "less": passes}
        if asks_higher < asks:
            yield _(
                "The bands are upside down: what is of %(higher)s asks a person from %(more)s, and what is of "
                "%(lower)s is refused below %(less)s."
            ) % {**facts, "more": asks_higher, "less": asks}
