"""Short words for JSON Schema."""

from collections.abc import Mapping, Sequence

from approvals.values.schema import Json

Schema = dict[str, Json]

ANYTHING: Schema = {}
ANY_OBJECT: Schema = {"type": "object"}
FLAG: Schema = {"type": "boolean"}
STRING: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
ID: Schema = {"type": "string", "format": "uuid"}
TIME: Schema = {"type": "string", "format": "date-time"}
DIGEST: Schema = {"type": "string", "pattern": "^sha256:[0-9a-f]{64}$"}


def text(longest: int, *, shortest: int = 0, says: str = "") -> Schema:
    """A string of so many characters."""
    return _described({"type": "string", "minLength": shortest, "maxLength": longest}, says)


def non_empty_text(longest: int = 200, *, says: str = "") -> Schema:
    """A string that is not empty."""
    return text(longest, shortest=1, says=says)


def one_of(choices: Sequence[str], *, says: str = "") -> Schema:
    return _described({"type": "string", "enum": list(choices)}, says)


def array(schema: Schema, most: int = 0, *, least: int = 0, unique: bool = False, says: str = "") -> Schema:
    """An array; `most` 0 sets no limit."""
    array: Schema = {"type": "array", "items": schema}
    if most:
        array["maxItems"] = most
    if least:
        array["minItems"] = least
    if unique:
        array["uniqueItems"] = True
    return _described(array, says)


def integer(least: int, most: int, *, says: str = "") -> Schema:
    return _described({"type": "integer", "minimum": least, "maximum": most}, says)


def seconds(least: float, most: float, *, says: str = "") -> Schema:
    """A span of time, to the microsecond."""
    return _described({"type": "number", "minimum": least, "maximum": most}, says)


def or_null(schema: Schema) -> Schema:
    """The same, or null."""
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    nullable = {**schema, "type": [str(schema["type"]), "null"]}
    if "enum" in schema:
        nullable["enum"] = [*_list(schema["enum"]), None]
    return nullable


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def fields(required: Sequence[str] = (), /, *more: Mapping[str, Schema], says: str = "", **named: Schema) -> Schema:
    """An object of these fields and no others; `more` are fields that several objects share."""
    properties: dict[str, Json] = dict(named)
    for shared in more:
        properties |= shared
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = list(required)
    return _described(schema, says)


def answer_object(*more: Mapping[str, Schema], says: str = "", optional: Sequence[str] = (), **named: Schema) -> Schema:
    """An object that we answer with: every field is there except the optional ones."""
    names = [*named, *(name for shared in more for name in shared)]
    return fields([name for name in names if name not in optional], *more, says=says, **named)


def _described(schema: Schema, says: str) -> Schema:
    return {**schema, "description": says} if says else schema


def _list(value: Json) -> list[Json]:
    return list(value) if isinstance(value, list) else []
