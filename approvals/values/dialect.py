"""The JSON Schema that an agent may bring: small enough that checking a value against it ends soon, whatever it is.

A schema of 2 KB can keep a validator busy for ever, and one of 26 KB for minutes and gigabytes, by references that
multiply. So the schema is unfolded here first, along its references: at most 500 places, no place inside itself. What
is left costs at most one look by each place at each part of the value, and the value is bounded, too. Patterns are
linear (no look-around, no back-references) and small once compiled.
"""

from collections.abc import Iterator, Mapping, Sequence

from approvals.values.schema import BadSchema, Fault, Json, Validator, canonical, pointer_of, storable

MOST_PLACES = 500
LARGEST = 32 * 1024  # bytes of the schema
DEEPEST = 16  # schemas inside of schemas, references followed
LARGEST_VALUE = 64 * 1024  # bytes of a value that is checked against it
MOST_PARTS = 5000  # values inside of that value
MOST_LOOKS = 10_000  # of places at parts, up to which all that is wrong is told; beyond it the first alone
LONGEST_PATTERN = 200  # characters
MOST_PATTERNS = 50
PATTERN_SIZE = 256 * 1024  # bytes of a compiled pattern

_SINGLE = ("additionalProperties", "propertyNames", "items", "contains", "not", "if", "then", "else", "additionalItems")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_NAMED = ("properties", "patternProperties", "dependentSchemas")
# What leads elsewhere in ways that cannot be followed here, or asks what other parts of the schema have looked at.
_REFUSED = (
    *("$id", "id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary"),
    *("unevaluatedItems", "unevaluatedProperties", "dependencies"),
)
_DRAFTS = ("https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#")


def check_schema(schema: Json) -> list[Fault]:
    """What keeps a JSON value from being a schema that an agent may bring. Empty: nothing."""
    faults = storable(schema)
    if faults:
        return faults
    if not isinstance(schema, Mapping):
        return [Fault("", "A JSON Schema is an object.")]
    if len(canonical(schema)) > LARGEST:
        return [Fault("", f"A schema has at most {LARGEST // 1024} KB.")]
    try:
        _Unfolding(schema).go(schema, (), (), 0)
        _compiled(schema)
    except BadSchema as error:
        return list(error.faults)
    return []


def check(schema: Mapping[str, Json], value: Json) -> list[Fault]:
    """What is wrong with a value; of a large one the first fault. Raises BadSchema for another dialect."""
    faults = storable(value)
    if faults:
        return faults
    parts = sum(1 for _ in _parts(value))
    if len(canonical(value)) > LARGEST_VALUE or parts > MOST_PARTS:
        return [Fault("", f"At most {LARGEST_VALUE // 1024} KB and {MOST_PARTS} parts.")]
    refused = check_schema(schema)
    if refused:
        raise BadSchema(refused)
    validator, unfolding = _compiled(schema), _Unfolding(schema)
    unfolding.go(schema, (), (), 0)
    return validator.check(value) if parts * unfolding.places <= MOST_LOOKS else validator.first(value)


def _compiled(schema: Mapping[str, Json]) -> Validator:
    return Validator(schema, pattern_size=PATTERN_SIZE)


class _Unfolding:
    """The walk through one schema along its references."""

    def __init__(self, root: Mapping[str, Json]) -> None:
        self.root = root
        self.places = 0
        self.patterns: set[str] = set()

    def go(self, schema: Json, at: tuple[str | int, ...], inside: tuple[int, ...], depth: int) -> None:
        """Visit a schema and all inside of it. Raises BadSchema."""
        self.places += 1
        if self.places > MOST_PLACES:
            raise _no((), f"Unfolded along its references it has more than {MOST_PLACES} places.")
        if depth > DEEPEST:
            raise _no(at, f"Schemas are nested deeper than {DEEPEST} levels, references followed.")
        if isinstance(schema, bool):
            return
        if not isinstance(schema, Mapping):
            raise _no(at, "A schema is an object, or true, or false.")
        if id(schema) in inside:
            raise _no(at, "It refers to itself: what it describes would have no end.")
        inside = (*inside, id(schema))
        self._check_keywords(schema, at)
        for part, path in _inner(schema, at):
            self.go(part, path, inside, depth + 1)
        if "$ref" in schema:
            self.go(self._target(schema["$ref"], at), (*at, "$ref"), inside, depth + 1)

    def _check_keywords(self, schema: Mapping[str, Json], at: tuple[str | int, ...]) -> None:
        for word in schema:
            if word in _REFUSED:
                raise _no((*at, word), f"{word} is not taken here.")
        if "$schema" in schema and (at or schema["$schema"] not in _DRAFTS):
            raise _no((*at, "$schema"), "Draft 2020-12 or 7, said once at the top.")
        if schema.get("format") == "regex":
            raise _no((*at, "format"), "This format is not taken here.")
        named = schema.get("patternProperties")
        self.patterns |= {str(pattern) for pattern in (schema.get("pattern"), *(_names(named))) if pattern is not None}
        if any(len(pattern) > LONGEST_PATTERN for pattern in self.patterns) or len(self.patterns) > MOST_PATTERNS:
            raise _no(at, f"At most {MOST_PATTERNS} patterns of {LONGEST_PATTERN} characters.")

    def _target(self, reference: Json, at: tuple[str | int, ...]) -> Json:
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise _no((*at, "$ref"), "A reference leads to another place of the same schema: #/$defs/name.")
        here: Json = self.root
        for part in reference.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(here, Mapping) and name in here:
                here = here[name]
            elif isinstance(here, list) and name.isdecimal() and len(name) < 6 and int(name) < len(here):
                here = here[int(name)]
            else:
                raise _no((*at, "$ref"), "There is no such place in the schema.")
        return here


def _inner(schema: Mapping[str, Json], at: tuple[str | int, ...]) -> Iterator[tuple[Json, tuple[str | int, ...]]]:
    """The schemas inside of one, with their places. What nothing refers to is looked at, too: it is compiled."""
    for word in _SINGLE:
        if word in schema and not isinstance(schema[word], list):
            yield schema[word], (*at, word)
    for word in _LISTS:
        listed = schema.get(word)
        for index, part in enumerate(listed if isinstance(listed, list) else ()):
            yield part, (*at, word, index)
    for word in _NAMED:
        named = schema.get(word)
        for name, part in named.items() if isinstance(named, Mapping) else ():
            yield part, (*at, word, name)


def _names(value: Json) -> Sequence[str]:
    return list(value) if isinstance(value, Mapping) else []


def _parts(value: Json) -> Iterator[Json]:
    yield value
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _parts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _parts(part)


def _no(at: Sequence[str | int], message: str) -> BadSchema:
    return BadSchema([Fault(pointer_of(at), message)])
