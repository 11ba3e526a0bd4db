"""Every setting of policy, a line each. Snapshot, file, form, validation and difference are made from these lines.

A new setting is a column of its model and a line here. Label, help, default and choices are the column's own. The order
of the lines is that of the file, of the form and of what a difference tells.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, TypeAlias

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.models import ActionType, Capacity, Currency, DomainTerms, Rule, Threshold, Tier
from approvals.policy.authoring import checks, shapes
from approvals.policy.precedent.flags import LABELS
from approvals.values.schema import Json

# One object of a snapshot or of a file, by the names of its settings.
Row: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class PolicyField:
    """One setting, where it stands and what it may be."""

    model: type[models.Model]
    name: str  # in the snapshot
    column_name: str = ""  # of the model and the form, where that differs
    name_in_file: str = ""  # where that differs
    shape_here: shapes.SettingShape | None = None  # where it is not that of every such column
    needed: bool = False  # a file has to say it
    quiet: bool = False  # a file says it only where it differs from leaving it out
    section: str = ""  # of the form; empty: not in it
    beside: bool = False  # on one line of the form with the setting before it
    says: bool | None = None  # whether a new object says it; None: where it is not what it would be by itself
    bears_on: Literal["route", "flags", "nothing"] = "route"  # what a rehearsal looks at again when it changes
    nothing: Promise | None = None  # how a reader is told that it is empty, where not by that word
    check: checks.Check | None = None

    @cached_property
    def column(self) -> shapes.Column:
        name = self.column_name or self.name
        return next(column for column in self.model._meta.concrete_fields if column.name == name)

    @cached_property
    def shape(self) -> shapes.SettingShape:
        return self.shape_here or shapes.shape_of(self.column)

    @property
    def file_name(self) -> str:
        return self.name_in_file or self.name

    @property
    def default(self) -> Json:
        """What leaving it out means, as a snapshot holds it."""
        return self.stored(self.column.get_default())

    def stored(self, value: object) -> Json:
        return None if value is None else self.shape.stored(value)

    def of(self, row: Row) -> Json:
        """What a snapshot says; a version from before it existed means the default."""
        value: Json = row.get(self.name, self.default)
        return value

    def loaded(self, row: Row) -> object:
        value = self.of(row)
        return None if value is None else self.shape.loaded(value)

    def left_out(self, value: Json) -> bool:
        """Whether a file says nothing of it."""
        return value is None or (value == self.default and (self.quiet or value in ("", [], {})))

    def shown(self, value: Json) -> str:
        if value is None or value == "":
            return str(self.nothing or _("nothing"))
        return self.shape.shown(value, self.column)

    @property
    def label(self) -> str:
        return str(self.column.verbose_name)


class PolicyFields:
    """The settings of one kind of object, by name."""

    def __init__(self, *fields: PolicyField) -> None:
        self.by_name = {field.name: field for field in fields}

    def __iter__(self) -> Iterator[PolicyField]:
        return iter(self.by_name.values())

    def row(self, instance: models.Model) -> Row:
        """What the columns say, as a snapshot holds it."""
        return {field.name: field.stored(getattr(instance, field.column.attname)) for field in self}

    def values(self, row: Row) -> Row:
        """What a snapshot says, as the compiled policy holds it."""
        return {field.name: field.loaded(row) for field in self}

    def columns(self, row: Row) -> dict[str, Any]:
        """What a snapshot says, as columns of the model: the inverse of `row`."""
        return {field.column.attname: field.loaded(row) for field in self}

    def read(self, table: Row) -> Row:
        """What a table of a file says, as a snapshot holds it."""
        return {
            field.name: field.shape.read(table[field.file_name]) if field.file_name in table else field.default
            for field in self
        }

    def written(self, row: Row) -> Row:
        """What a snapshot says, as a table of a file: the inverse of `read`."""
        values = [(field, field.of(row)) for field in self]
        return {field.file_name: field.shape.written(value) for field, value in values if not field.left_out(value)}

    def schema(
        self, more: Mapping[str, shapes.JsonSchema] | None = None, required: Iterable[str] = ()
    ) -> shapes.JsonSchema:
        """JSON Schema of a table of a file. `more` are properties that are no settings."""
        properties = {field.file_name: field.shape.schema(field.column) for field in self}
        needed = [field.file_name for field in self if field.needed]
        return shapes.object_schema({**(more or {}), **properties}, required=[*required, *needed])

    def complaints(self, columns: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What is wrong with single values, by column; one that is missing was found faulty before."""
        for field in self:
            value = columns.get(field.column.name)
            if field.check is not None and value is not None:
                yield from ((field.column.name, sentence) for sentence in field.check(value))

    def layout(self) -> dict[str, list[str | tuple[str, ...]]]:
        """The columns of each section of the form; those that share a line are a tuple."""
        sections: dict[str, list[list[str]]] = {}
        for field in self:
            if field.section:
                lines = sections.setdefault(field.section, [])
                if field.beside and lines:
                    lines[-1].append(field.column.name)
                else:
                    lines.append([field.column.name])
        return {
            section: [tuple(line) if len(line) > 1 else line[0] for line in lines]
            for section, lines in sections.items()
        }

    def label(self, name: str) -> str:
        """What the form calls a setting, by its name or that of its column."""
        labels = (field.label for field in self if name in (field.name, field.column.name))
        return next(labels, name.replace("_", " "))


# --- The settings

_type = partial(PolicyField, ActionType)
ACTION_TYPE = PolicyFields(
    _type("title", bears_on="nothing", section="card", needed=True, says=False),
    _type("headline", bears_on="nothing", section="card", needed=True),
    _type("domain", section="card"),
    _type("pack", bears_on="nothing", says=False),
    _type("policy_text", bears_on="nothing", section="card"),
    _type("schema", section="sent", shape_here=shapes.ArgumentsSchema()),
    _type("schema_version", bears_on="nothing", says=False),
    _type("value_path", section="sent"),
    _type("currency_path", section="sent", beside=True),
    _type("subject_path", bears_on="nothing", section="sent"),
    _type("subject_kind", bears_on="nothing", section="sent", beside=True),
    _type("required", section="sent", quiet=True, shape_here=shapes.NamesShape(), check=checks.accompanying),
    _type("reversibility", section="asks", needed=True),
    _type("strategy", section="asks", needed=True, beside=True),
    _type("gate", section="asks", says=True),
    _type("tier", section="asks", needed=True, beside=True),
    _type("approvers", section="asks"),
    _type("level", section="asks", beside=True),
    _type("by_law", section="asks", quiet=True),
    _type("flags", section="asks", shape_here=shapes.NamesShape(LABELS), check=checks.flags),
    _type("allowed", bears_on="nothing", section="asks", shape_here=shapes.NamesShape()),
    _type("reason_required", bears_on="nothing", section="asks"),
    _type("auto_threshold", section="confidence", check=checks.confidence),
    _type("review_threshold", section="confidence", beside=True, check=checks.confidence),
    _type("weights", section="confidence", check=checks.weights),
    _type("expires_after", bears_on="nothing", section="time", check=checks.lasts),
    _type("on_timeout", section="time"),
    _type("permit_valid", bears_on="nothing", section="time", check=checks.lasts),
    _type("every_steps", section="checkpoints", quiet=True, check=checks.steps),
    _type("every_time", section="checkpoints", quiet=True, beside=True, check=checks.pause),
    _type("spend_limit", section="checkpoints", quiet=True, check=checks.limit),
    _type("spend_window", section="checkpoints", quiet=True, beside=True, check=checks.spending),
    _type("spend_of", section="checkpoints", quiet=True),
    _type("baseline_path", bears_on="flags", section="unusual", quiet=True),
    _type("usual_times", bears_on="flags", section="unusual", quiet=True, beside=True, check=checks.ratio),
    _type("frequency_path", bears_on="flags", section="unusual", quiet=True),
    _type("frequency_from", bears_on="flags", section="unusual", quiet=True, check=checks.flagged_from),
    _type("frequency_window", bears_on="flags", section="unusual", quiet=True, beside=True, check=checks.window(366)),
    _type("burst_from", bears_on="flags", section="unusual", quiet=True, check=checks.flagged_from),
    _type("burst_window", bears_on="flags", section="unusual", quiet=True, beside=True, check=checks.window(31)),
    _type("rejects_repeats", section="unusual", quiet=True),
    _type("most_attempts", section="unusual", quiet=True, beside=True, check=checks.attempts),
    _type("runs_before_review", section="ahead", quiet=True),
    _type("sample", section="ahead", quiet=True, check=checks.share),
    _type("shadow", section="ahead", quiet=True),
    _type("horizon", bears_on="nothing", section="evidence", quiet=True, check=checks.horizon),
    _type(
        "material",
        bears_on="nothing",
        section="evidence",
        quiet=True,
        shape_here=shapes.NamesShape(),
        check=checks.names,
    ),
    _type("minimum_view", bears_on="nothing", section="evidence", quiet=True, check=checks.view),
    _type("level_bar", bears_on="nothing", section="evidence", quiet=True, check=checks.bar),
    _type("level_time", bears_on="nothing", section="evidence", quiet=True, beside=True, check=checks.level_time),
    _type("error_target", section="evidence", quiet=True, check=checks.claim_share),
    _type("error_risk", section="evidence", quiet=True, beside=True, check=checks.claim_share),
    _type("threshold_start", section="evidence", quiet=True, check=checks.start),
    _type("error_cost", bears_on="nothing", section="evidence", quiet=True, check=checks.cost),
    _type("minute_cost", bears_on="nothing", section="evidence", quiet=True, beside=True, check=checks.cost),
)

_band = partial(PolicyField, Threshold, needed=True, check=checks.confidence)
BAND = PolicyFields(_band("auto"), _band("review"))

_rule = partial(PolicyField, Rule)
RULE = PolicyFields(
    _rule("name", needed=True, section="name", says=False),
    _rule("when", column_name="expression", needed=True, section="condition"),
    _rule("effect", needed=True, section="consequence", says=True),
    _rule("message", needed=True, section="consequence"),
    _rule("tier", section="consequence"),
    _rule("approvers", quiet=True, section="consequence"),
    _rule("stages", name_in_file="stage", quiet=True, section="consequence", shape_here=shapes.Stages()),
    _rule("typed", quiet=True, section="consequence"),
)


def _terms(model: type[Tier] | type[DomainTerms]) -> Iterator[PolicyField]:
    """What a tier has, and a domain may have of its own under a tier."""
    terms = partial(PolicyField, model)
    yield terms("ceiling", section="authority", check=checks.ceiling)
    yield terms("sla", section="time", needed=True, says=True, check=checks.sla)
    yield terms("working", section="hours", quiet=True)
    yield terms("opens", section="hours", quiet=True)
    yield terms("closes", section="hours", quiet=True, beside=True)
    yield terms("workdays", section="hours", quiet=True, check=checks.days)
    yield terms("time_zone", section="hours", quiet=True, check=checks.zone)


_tier = partial(PolicyField, Tier)
TIER = PolicyFields(
    _tier("name", section="authority", needed=True, says=False),
    *_terms(Tier),
    _tier("next", section="time"),
    _tier("hold", section="time", needed=True, check=checks.undo),
    _tier("claim", section="time", needed=True, check=checks.claim),
    _tier("second_factor", section="authority", quiet=True),
    _tier("seeded", section="oversight", quiet=True, bears_on="nothing", check=checks.few),
)
TERMS = PolicyFields(PolicyField(DomainTerms, "domain", needed=True, section="authority"), *_terms(DomainTerms))

_capacity = partial(PolicyField, Capacity)
CAPACITY = PolicyFields(
    _capacity("domain"),
    _capacity("limit", nothing=gettext_lazy("any number"), check=checks.waiting),
    _capacity("when_full"),
    _capacity("when_empty"),
)
CURRENCY = PolicyFields(PolicyField(Currency, "rate", needed=True, check=checks.rate))
