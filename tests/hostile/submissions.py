"""What an agent may send: schemas by hand, and any at all."""

from hypothesis import strategies as st

DEEP: object = {"type": "string"}
for _level in range(28):
    DEEP = {"properties": {"a": DEEP}}

SCHEMAS = [
    {"properties": {"cc": {"type": "array", "items": {"type": ["string", "null"]}}}},
    {"properties": {"cc": {"type": "array", "items": {"type": ["string", "number"]}}}},
    {"x-order": [[1]], "properties": {"a": {"type": "string"}}},
    {"x-order": [{"a": 1}], "properties": {"a": {"type": "string"}}},
    {"x-order": {"a": 1}, "properties": {"a": {"type": "string"}}},
    {"x-order": "a", "properties": {"a": {"type": "string"}}},
    {"x-order": ["a", "a", "b"], "properties": {"a": {"type": "string"}}},
    {"properties": {"a": {"x-order": [[]], "properties": {"b": {}}}}},
    {"properties": None},
    {"properties": []},
    {"properties": {"a": None}},
    {"properties": {"a": True, "b": False}},
    {"properties": {"": {"type": "string"}, "/": {"type": "string"}, "~": {"enum": [1]}, "a b": {}, "<b>": {}}},
    {"properties": {"a/0": {"type": "string"}, "a": {"type": "array", "items": True}}},
    {"type": "array", "items": True},
    {"type": "array", "items": False},
    {"type": "array", "items": {"enum": ["a", "b"]}, "uniqueItems": True},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
    {"type": "array", "items": {"type": []}},
    {"enum": []},
    {"enum": [1]},
    {"enum": [{"a": 1}, [1, 2], None, True, 1.5, "x", ""]},
    {"enum": ["a"] * 3},
    {"enum": list(range(300))},
    {"const": {"a": [1]}},
    {"const": None},
    {"type": []},
    {"type": "null"},
    {"type": ["null"]},
    {"type": ["object", "array", "null"]},
    {"type": "nonsense"},
    {"type": 7},
    {"$ref": "#"},
    {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
    {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
    {"$ref": "#/$defs/missing"},
    {"$ref": "https://evil.example/schema"},
    {"$ref": "#/properties/a", "properties": {"a": {"type": "integer"}}},
    {"$ref": "#/$defs/~1~0", "$defs": {"/~": {"type": "integer"}}},
    {"properties": {"a": {"$ref": "#"}}, "type": "object"},
    {"properties": {"a": {"$ref": "#/properties/a"}}},
    {"$defs": {"n": {"properties": {"n": {"$ref": "#/$defs/n"}, "m": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"},
    {"$defs": None, "properties": {"a": {"$ref": "#/$defs/x"}}},
    {"$ref": 7},
    {"anyOf": []},
    {"anyOf": [True, False]},
    {"anyOf": [{"type": "integer"}, {"type": "null"}]},
    {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
    {"oneOf": [{"const": 1, "title": "One"}, {"const": 2, "title": ["no text"]}]},
    {"oneOf": [{"const": {"a": 1}, "title": "One"}, {"const": None}]},
    {"oneOf": "x"},
    {"allOf": [{"properties": {"a": {"type": "string"}}}, {"required": ["a"]}]},
    {"title": {"a": 1}, "description": ["x"], "properties": {"a": {"title": 7, "description": {"x": 1}}}},
    {"required": 7, "properties": {"a": {}}},
    {"required": "a", "properties": {"a": {}}},
    {"required": [[1]], "properties": {"a": {}}},
    {"required": ["missing"], "properties": {"a": {"type": "string"}}},
    {"type": "object"},
    {"type": "object", "additionalProperties": False},
    {"type": "object", "additionalProperties": {"type": "integer"}, "patternProperties": {"^x": {"type": "string"}}},
    {"type": "object", "patternProperties": {"(": {}}},
    {"type": "string", "pattern": "(?=a)"},
    {"type": "string", "pattern": "(a+)+$"},
    {"type": "string", "format": "date", "enum": [3]},
    {"type": "string", "format": {"a": 1}},
    {"type": "string", "format": "date-time"},
    {"type": "string", "maxLength": -1},
    {"type": "integer", "minimum": "a"},
    {"type": "number", "multipleOf": 0},
    {"type": "number", "enum": [0.1, 1e21, 5e-324, -0.0]},
    {"not": {}},
    {"if": {"type": "string"}, "then": False},
    {"properties": {"a": {"default": {"x": 1}, "examples": 7, "readOnly": "yes", "deprecated": [1]}}},
    {"properties": {f"f{number}": {"type": "boolean"} for number in range(400)}},
    {"properties": {"ключ": {"type": "string"}, "\u202e\u0661": {"type": "integer"}, "x" * 5000: {"type": "string"}}},
    DEEP,
]

GUESSES = [None, False, 0, "", "\n\nhello\n", [], {}, {"a": None}, {"a": [{"b": [1, "x", None]}]}, [[1], {"": ""}], 1.5]


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["a", "", "type", "$ref", "label", "args", "id", "\u202e", "\u2028", "<script>", "{a}", "%s", "#/$defs/a", "{}"]
)
NUMBER = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e15, 1e15) | st.sampled_from([0, -0.0, 1.0, 5e-324])
VALUE = st.recursive(
    st.none() | st.booleans() | NUMBER | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
TYPE = st.sampled_from(["string", "number", "integer", "boolean", "null", "array", "object"])


def _schema(inner):
    some = st.dictionaries(TEXT, inner, max_size=3)
    keywords = {
        "type": TYPE | st.lists(TYPE, max_size=3, unique=True),
        "properties": some,
        "items": inner,
        "prefixItems": st.lists(inner, min_size=1, max_size=3),
        "enum": st.lists(VALUE, max_size=4),
        "const": VALUE,
        "anyOf": st.lists(inner, min_size=1, max_size=3),
        "oneOf": st.lists(inner, min_size=1, max_size=3),
        "allOf": st.lists(inner, min_size=1, max_size=2),
        "$ref": st.sampled_from(["#", "#/$defs/a", "#/properties/a", "#/items"]),
        "$defs": st.fixed_dictionaries({"a": inner}),
        "additionalProperties": inner,
        "required": st.lists(TEXT, max_size=2, unique=True),
        "x-order": st.lists(TEXT, max_size=3) | VALUE,
        "title": TEXT,
        "description": TEXT,
        "format": TEXT,
        "default": VALUE,
    }
    return st.fixed_dictionaries({}, optional=keywords)


SCHEMA = st.recursive(st.booleans() | st.just({}), _schema, max_leaves=6)


OBJECTS = SCHEMA.filter(lambda schema: isinstance(schema, dict))
