"""Every column of policy is a setting of the table, or named here as left out; and each goes the whole way."""

from datetime import time, timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db import models

from approvals.models import ActionType, Capacity, Currency, DomainTerms, Rule, Threshold, Tier
from approvals.policy.authoring import file_writer, files, tables
from approvals.policy.authoring.differences import changes
from approvals.policy.authoring.documents import snapshot_of_tables
from approvals.policy.authoring.fields import (
    ACTION_TYPE,
    BAND,
    CAPACITY,
    CURRENCY,
    RULE,
    TERMS,
    TIER,
    PolicyField,
    PolicyFields,
)
from approvals.policy.compiled_policy import RulePolicy, Stage, TierPolicy, TypePolicy
from approvals.policy.snapshot import HOURS, compiled

# Columns that are no setting: what names the object or what it belongs to, and whether it is there at all.
LEFT_OUT = {
    ActionType: {"name", "active"},
    Rule: {"id", "action_type", "active"},
    Threshold: {"id", "action_type", "impact"},
    Tier: {"level", "active"},
    DomainTerms: {"id", "tier"},
    Capacity: {"id", "tier"},
    Currency: {"code"},
}
TABLES = {
    ActionType: ACTION_TYPE,
    Rule: RULE,
    Threshold: BAND,
    Tier: TIER,
    DomainTerms: TERMS,
    Capacity: CAPACITY,
    Currency: CURRENCY,
}


@pytest.mark.parametrize("model", TABLES)
def test_each_column_is_a_setting_or_named_as_left_out(model):
    settings = {field.column.name for field in TABLES[model]}

    assert settings | LEFT_OUT[model] == {column.name for column in model._meta.concrete_fields}
    assert not settings & LEFT_OUT[model]


def test_the_compiled_policy_holds_each_setting():
    assert set(ACTION_TYPE.by_name) <= set(TypePolicy.__dataclass_fields__)
    assert set(RULE.by_name) <= set(RulePolicy.__dataclass_fields__)
    assert set(TIER.by_name) - set(HOURS) <= set(TierPolicy.__dataclass_fields__)
    assert set(Stage.__dataclass_fields__) == {"tier", "domain", "approvers"}


@pytest.mark.parametrize("model", [ActionType, Rule, Tier])
def test_the_form_shows_each_setting_that_has_a_section(model):
    shown = set(flatten_fieldsets(admin.site._registry[model].fieldsets))

    assert {field.column.name for field in TABLES[model] if field.section} <= shown
    assert {field.name for field in TABLES[model] if not field.section} <= {"pack", "schema_version"}


# --- Each setting, changed


# What the constraints between columns allow, and what only some words mean.
SPECIAL = {
    "gate": "manual",
    "material": ["amount"],
    "runs_before_review": "review",
    "auto_threshold": "0.9",
    "usual_times": "4.5",
    "schema": {"type": "object", "properties": {"order": {"type": "string"}}},
    "domain": "legal",
    "tier": 3,
    "next": 3,
    "headline": "refund {order}",
    "when": "value > 7.0",
    "time_zone": "Europe/Vienna",
    "weights": {"impact": 0.5},
    "flags": ["duplicate"],
    "required": ["summary"],
    "allowed": ["approve"],
    "workdays": [6, 7],
    "seeded": "0.05",
    "stages": [{"tier": 2, "domain": "", "approvers": 2}],
}


def another(field: PolicyField, value: object) -> object:
    """A value of the column's kind that is not this one, as a snapshot holds it."""
    column = field.column
    if field.name in SPECIAL:
        return SPECIAL[field.name]
    if column.choices:
        return next(str(choice) for choice, _label in column.flatchoices if choice not in (value, column.get_default()))
    if isinstance(column, models.BooleanField):
        return not value
    if isinstance(column, models.DurationField):
        return field.stored(timedelta(seconds=17))
    if isinstance(column, models.DecimalField):
        return "0.5"
    if isinstance(column, models.TimeField):
        return field.stored(time(5, 45))
    return 4 if isinstance(column, models.IntegerField) else "another_word"


@pytest.fixture
def full(staffed_refunds, rule) -> dict:
    """A snapshot in which every kind of object occurs."""
    rule("value > 250.0")
    Threshold.objects.create(action_type=staffed_refunds, impact="high", auto="0.95", review="0.7")
    hours = {"working": True, "opens": time(9), "closes": time(17)}
    DomainTerms.objects.create(tier_id=1, domain_id="commerce", sla=timedelta(minutes=5), **hours)
    Tier.objects.filter(level=1).update(**hours)
    Capacity.objects.create(tier_id=1, domain_id="commerce", limit=20)
    return snapshot_of_tables()


def object_in(snapshot: dict, fields: PolicyFields) -> dict:
    refund, tier = snapshot["types"]["refund"], snapshot["tiers"]["1"]
    rows = {ACTION_TYPE: refund, RULE: refund["rules"][0], TIER: tier, TERMS: tier["terms"][0]}
    return {**rows, CAPACITY: tier["capacities"][0]}[fields]


@pytest.mark.parametrize(
    ("fields", "name"),
    [(fields, name) for fields in (ACTION_TYPE, RULE, TIER, TERMS, CAPACITY) for name in fields.by_name],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)).model.__name__,
)
def test_a_changed_setting_goes_through_file_and_tables_and_differs(full, fields, name):
    before = snapshot_of_tables()
    row = object_in(full, fields)
    row[name] = another(fields.by_name[name], row[name])
    assert row[name] != object_in(before, fields)[name]

    assert files.read(file_writer.toml(full, {})).snapshot == full
    assert changes(before, full)
    tables.restore(full)
    assert snapshot_of_tables() == full
    assert compiled(1, before) != compiled(1, full) or name in ("schema", "when")  # compared by what they compile to
