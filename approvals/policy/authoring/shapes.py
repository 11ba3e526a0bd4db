"""How a setting stands in a snapshot (JSON), in a file (TOML) and in a difference (words), by its column."""

import json
from collections.abc import Mapping
from datetime import time, timedelta
from decimal import Decimal
from typing import Any, TypeAlias, cast

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from approvals.policy.authoring import stage_rules
from approvals.values import durations
from approvals.values.schema import Json

ForeignKey: TypeAlias = "models.ForeignKey[Any, Any]"
Column: TypeAlias = "models.Field[Any, Any]"
JsonSchema: TypeAlias = dict[str, Any]

DURATION = "duration in words"  # format of a duration in the JSON Schema of a file
NUMBER: JsonSchema = {
    "anyOf": [{"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$"}, {"type": "number", "minimum": 0}]
}
LEVEL: JsonSchema = {"type": "integer", "minimum": 1, "maximum": 9}
PEOPLE: JsonSchema = {"type": "integer", "minimum": 1, "maximum": 5}
LONGEST = 300  # of a value that is shown; the version holds it whole


class SettingShape:
    """Everywhere as it is: text, a whole number, yes or no, a document. None, where the column may be, is None."""

    def stored(self, value: object) -> Json:
        """A column's value as a snapshot holds it."""
        return str(value) if isinstance(value, str) else cast(Json, value)

    def loaded(self, value: Json) -> object:
        """A snapshot's value as a column, or the compiled policy, holds it."""
        return value

    def read(self, value: Json) -> Json:
        """A file's value as a snapshot holds it."""
        return value

    def written(self, value: Json) -> Json:
        """A snapshot's value as a file says it."""
        return value

    def schema(self, column: Column) -> JsonSchema:
        """JSON Schema of what a file may say."""
        if isinstance(column, models.JSONField):
            return {"type": "object"}
        if isinstance(column, models.BooleanField):
            return {"type": "boolean"}
        if isinstance(column, models.IntegerField):
            shape: JsonSchema = {"type": "integer"}
            for validator in column.validators:
                if isinstance(validator, MinValueValidator | MaxValueValidator):
                    shape["minimum" if isinstance(validator, MinValueValidator) else "maximum"] = validator.limit_value
            return shape
        if column.choices:
            return {"enum": [str(value) for value, _label in column.flatchoices]}
        shape = {"type": "string", "minLength": int(not column.blank)}
        if isinstance(column, models.SlugField):
            shape["pattern"] = "^[-a-zA-Z0-9_]*$"
        return shape | ({"maxLength": column.max_length} if column.max_length else {})

    def shown(self, value: Json, column: Column) -> str:
        """A snapshot's value as a reader of a difference understands it."""
        if isinstance(value, bool):
            return _("yes") if value else _("no")
        if column.choices and isinstance(value, str):
            return str(dict(column.flatchoices).get(value, value))
        if isinstance(value, Mapping):
            return ", ".join(f"{key} {inner}" for key, inner in value.items()) or _("the default")
        return plain(value)


class DurationShape(SettingShape):
    """Seconds; in a file and to a reader 1 h 30 min."""

    def stored(self, value: object) -> Json:
        return cast(timedelta, value).total_seconds()

    def loaded(self, value: Json) -> timedelta:
        return timedelta(seconds=cast(float, value))

    def read(self, value: Json) -> Json:
        return durations.read(str(value)).total_seconds()

    def written(self, value: Json) -> Json:
        return durations.written(self.loaded(value))

    def schema(self, column: Column) -> JsonSchema:
        return {"type": "string", "format": DURATION}

    def shown(self, value: Json, column: Column) -> str:
        return durations.written(self.loaded(value))


class Number(SettingShape):
    """Text in one spelling; a file may say it as a number."""

    def stored(self, value: object) -> Json:
        return number(str(value))

    def loaded(self, value: Json) -> Decimal:
        return Decimal(str(value))

    def read(self, value: Json) -> Json:
        return number(str(value))

    def schema(self, column: Column) -> JsonSchema:
        return NUMBER


class Hour(SettingShape):
    """08:30"""

    def stored(self, value: object) -> Json:
        return cast(time, value).isoformat("minutes")

    def loaded(self, value: Json) -> time:
        return time.fromisoformat(str(value))

    def schema(self, column: Column) -> JsonSchema:
        return {"type": "string", "pattern": r"^([01][0-9]|2[0-3]):[0-5][0-9]$"}


class DaysShape(SettingShape):
    """Days of the week in order, 1 is Monday."""

    def stored(self, value: object) -> Json:
        return sorted(cast(list[int], value))

    def schema(self, column: Column) -> JsonSchema:
        return {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 7}}

    def shown(self, value: Json, column: Column) -> str:
        return ", ".join(str(WEEKDAYS_ABBR[day - 1]) for day in cast(list[int], value)) or _("nothing")


class NamesShape(SettingShape):
    """A list of names, with the words for those that have some."""

    def __init__(self, labels: Mapping[str, str | Promise] | None = None) -> None:
        self.labels = labels or {}

    def stored(self, value: object) -> Json:
        return [str(name) for name in cast(list[str], value)]

    def schema(self, column: Column) -> JsonSchema:
        return {"type": "array", "items": {"type": "string"}}

    def shown(self, value: Json, column: Column) -> str:
        return ", ".join(str(self.labels.get(name, name)) for name in cast(list[str], value)) or _("nothing")


class ArgumentsSchema(SettingShape):
    """The JSON Schema of an action's arguments; in a file a table, or JSON as text where a table cannot say it."""

    def read(self, value: Json) -> Json:
        return json.loads(value) if isinstance(value, str) else value

    def schema(self, column: Column) -> JsonSchema:
        return {"type": ["object", "string"]}


class Reference(SettingShape):
    """What a foreign key holds: a tier's level, a domain's short name."""

    def schema(self, column: Column) -> JsonSchema:
        return {"type": "string"} if isinstance(cast("ForeignKey", column).target_field, models.SlugField) else LEVEL


class Stages(SettingShape):
    """The stages of a rule: objects with tier, domain (empty: the action type's) and approvers."""

    def read(self, value: Json) -> Json:
        return [{"domain": "", "approvers": 1, **stage} for stage in cast(list[dict[str, Json]], value)]

    def written(self, value: Json) -> Json:
        stages = cast(list[dict[str, Json]], value)
        return [{name: part for name, part in stage.items() if part} for stage in stages]

    def schema(self, column: Column) -> JsonSchema:
        parts = {"tier": LEVEL, "domain": {"type": "string"}, "approvers": PEOPLE}
        return {"type": "array", "items": object_schema(parts, required=["tier"])}

    def shown(self, value: Json, column: Column) -> str:
        return stage_rules.in_words(value)


def shape_of(column: Column) -> SettingShape:
    """How the values of a column stand, where nothing else is said of it."""
    return next((shape for kind, shape in _BY_COLUMN if isinstance(column, kind)), SettingShape())


_BY_COLUMN: tuple[tuple[type[Column], SettingShape], ...] = (
    (models.ForeignKey, Reference()),
    (models.DurationField, DurationShape()),
    (models.DecimalField, Number()),
    (models.TimeField, Hour()),
    (ArrayField, DaysShape()),
)


def object_schema(properties: JsonSchema, *, required: list[str]) -> JsonSchema:
    """JSON Schema of an object with these properties and no others."""
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def number(value: Decimal | str) -> str:
    """One spelling of a number, whether it comes from a form, a file or a column: 0.850 is 0.85."""
    return format(Decimal(value).normalize(), "f")


def plain(value: Json) -> str:
    """A value as JSON, text without quotes; a long one is cut."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
