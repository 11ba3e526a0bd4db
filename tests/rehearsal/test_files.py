"""A policy as a file: what was written reads back as it was; what cannot be read says where and why not."""

import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from approvals.models import ActionType, Domain, PolicyVersion, Rule, Tier
from approvals.models.policy import Impact, OverloadMode
from approvals.policy import snapshot
from approvals.policy.authoring import file_writer, files, packs, tables, versions
from approvals.policy.authoring.documents import domains_of, snapshot_of_tables
from approvals.policy.precedent.flags import LABELS
from approvals.policy.precedent.signals import WEIGHTS
from approvals.values import durations
from approvals.values.schema import digest_of

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)
WORD = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)
AMOUNT = st.decimals(0, 10**9, places=2).map(lambda number: format(number.normalize(), "f"))
SHARE = st.decimals(0, 1, places=3).map(lambda number: format(number.normalize(), "f"))
SPAN = st.one_of(st.integers(1, 10**7).map(float), st.integers(1, 10**9).map(lambda number: number / 10**6))
HOUR = st.times().map(lambda moment: moment.isoformat("minutes")[:5])
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), st.floats(-1e6, 1e6), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=12,
)
SCHEMA = st.one_of(
    st.dictionaries(TEXT, JSON, max_size=4),
    st.dictionaries(WORD, st.dictionaries(WORD, JSON, max_size=3), max_size=4).map(
        lambda fields: {"type": "object", "properties": fields}
    ),
)


def rules(names: st.SearchStrategy[str]) -> st.SearchStrategy[list[dict[str, object]]]:
    row = st.fixed_dictionaries(
        {
            "name": names,
            "effect": st.sampled_from(Rule.Effect.values),
            "tier": st.one_of(st.none(), st.integers(1, 9)),
            "approvers": st.integers(1, 5),
            "stages": st.lists(
                st.fixed_dictionaries(
                    {
                        "tier": st.integers(1, 9),
                        "domain": st.sampled_from(["", "commerce", "finance"]),
                        "approvers": st.integers(1, 5),
                    },
                ),
                max_size=2,
            ),
            "typed": st.booleans(),
            "message": TEXT.filter(bool),
            "when": TEXT.filter(bool),
        }
    )
    return st.lists(row, max_size=3, unique_by=lambda row: row["name"]).map(
        lambda rows: sorted(rows, key=lambda row: row["name"])
    )


def choices(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from([value for value, _ in ActionType._meta.get_field(name).choices])


TYPE = st.fixed_dictionaries(
    {
        "title": TEXT.filter(bool),
        "headline": TEXT.filter(bool),
        "pack": st.one_of(st.just(""), WORD),
        "schema": SCHEMA,
        "schema_version": st.integers(1, 99),
        "policy_text": TEXT,
        "reversibility": choices("reversibility"),
        "strategy": choices("strategy"),
        "gate": choices("gate"),
        "approvers": st.integers(1, 5),
        "allowed": st.lists(st.sampled_from(["approve", "modify", "reject", "answer", "skip"]), unique=True),
        "level": st.integers(1, 4),
        "weights": st.dictionaries(st.sampled_from(list(WEIGHTS)), st.floats(0, 1), max_size=3),
        "flags": st.lists(st.sampled_from(list(LABELS)), unique=True, max_size=3),
        "value_path": TEXT,
        "currency_path": TEXT,
        "subject_path": TEXT,
        "subject_kind": TEXT,
        "on_timeout": choices("on_timeout"),
        "reason_required": st.booleans(),
        "required": st.lists(st.sampled_from(["summary", "reasoning", "context", "preconditions"]), unique=True),
        "by_law": st.booleans(),
        "expires_after": SPAN,
        "permit_valid": SPAN,
        "domain": st.sampled_from(["commerce", "finance"]),
        "tier": st.integers(1, 9),
        "auto_threshold": SHARE,
        "review_threshold": SHARE,
        "rules": rules(TEXT.filter(bool)),
        "every_steps": st.one_of(st.none(), st.integers(1, 99)),
        "every_time": st.one_of(st.none(), SPAN),
        "spend_limit": st.one_of(st.none(), AMOUNT),
        "spend_window": SPAN,
        "spend_of": choices("spend_of"),
        "baseline_path": TEXT,
        "usual_times": AMOUNT,
        "frequency_path": TEXT,
        "frequency_from": st.integers(2, 99),
        "frequency_window": SPAN,
        "burst_from": st.integers(2, 99),
        "burst_window": SPAN,
        "rejects_repeats": st.booleans(),
        "most_attempts": st.one_of(st.none(), st.integers(1, 99)),
        "runs_before_review": choices("runs_before_review"),
        "sample": SHARE,
        "level_bar": SHARE,
        "level_time": SPAN,
        "shadow": st.booleans(),
        "horizon": SPAN,
        "material": st.lists(TEXT.filter(bool), unique=True, max_size=3),
        "minimum_view": SPAN,
        "error_target": SHARE,
        "error_risk": SHARE,
        "threshold_start": st.one_of(st.none(), SHARE),
        "error_cost": st.one_of(st.none(), AMOUNT),
        "minute_cost": AMOUNT,
        "thresholds": st.dictionaries(
            st.sampled_from(Impact.values), st.fixed_dictionaries({"auto": SHARE, "review": SHARE})
        ),
    }
)
TERMS = {
    "ceiling": st.one_of(st.none(), AMOUNT),
    "sla": SPAN,
    "working": st.booleans(),
    "opens": st.one_of(st.none(), HOUR),
    "closes": st.one_of(st.none(), HOUR),
    "workdays": st.lists(st.integers(1, 7), unique=True).map(sorted),
    "time_zone": st.sampled_from(["UTC", "Europe/Berlin"]),
}
TIER = st.fixed_dictionaries(
    {
        "name": TEXT.filter(bool),
        **TERMS,
        "hold": SPAN,
        "claim": SPAN,
        "next": st.one_of(st.none(), st.integers(1, 9)),
        "second_factor": st.booleans(),
        "seeded": st.sampled_from(["0", "0.02", "0.2"]),
        "terms": st.lists(
            st.fixed_dictionaries({"domain": st.sampled_from(["commerce", "finance"]), **TERMS}),
            unique_by=lambda terms: terms["domain"],
        ).map(lambda rows: sorted(rows, key=lambda terms: terms["domain"])),
        "capacities": st.lists(
            st.fixed_dictionaries(
                {
                    "domain": st.sampled_from([None, "commerce", "finance"]),
                    "limit": st.one_of(st.none(), st.integers(1, 10**6)),
                    "when_full": st.sampled_from(OverloadMode.values),
                    "when_empty": st.sampled_from(OverloadMode.values),
                }
            ),
            unique_by=lambda row: row["domain"],
        ).map(lambda rows: sorted(rows, key=lambda row: row["domain"] or "")),
    }
)
POLICY = st.fixed_dictionaries(
    {
        "types": st.dictionaries(WORD, TYPE, max_size=3),
        "rules": rules(TEXT.filter(bool)),
        "tiers": st.dictionaries(st.integers(1, 9).map(str), TIER, max_size=3),
        "rates": st.dictionaries(st.text("ABCXYZ", min_size=3, max_size=3), AMOUNT.filter(lambda rate: rate != "0")),
    }
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(policy=POLICY, names=st.fixed_dictionaries({"commerce": TEXT, "finance": TEXT}))
def test_what_was_written_reads_back_as_exactly_what_it_was(policy, names):
    columns = {field.name for field in ActionType._meta.concrete_fields}
    assert {name for row in policy["types"].values() for name in row} - {"rules", "thresholds"} <= columns

    file = files.read(file_writer.toml(policy, names, heading="Policy.\nOf a test."))

    assert file.whole
    assert file.snapshot == policy
    assert digest_of(file.snapshot) == digest_of(policy)
    assert file.domains == {slug: names.get(slug, slug) for slug in domains_of(policy)}


@pytest.fixture
def packed(db) -> PolicyVersion:
    """Every pack, published."""
    for name in packs.names():
        packs.load(name)
    return snapshot.publish(by=None, note="packs")


def exported() -> str:
    return file_writer.toml(snapshot_of_tables(), dict(Domain.objects.values_list("slug", "name")))


def test_all_packs_go_out_and_come_back_as_they_were(packed):
    text = exported()

    assert files.read(text).snapshot == packed.snapshot
    assert not versions.import_file(text).differs
    assert [row["name"] for row in tomllib.loads(text)["action"]] == list(snapshot_of_tables()["types"])
    # Read by people: the schema as tables, its fields in their order, no JSON in quotes.
    assert "[action.schema.properties]" in text and "x-order" not in text and '"properties"' not in text


def test_a_file_makes_an_empty_installation_the_same(packed):
    file = files.read(exported())
    Rule.objects.all().delete()
    ActionType.objects.all().delete()
    Tier.objects.order_by("-level").update(next=None)
    Tier.objects.all().delete()
    Domain.objects.all().delete()

    tables.restore(file.snapshot, file.domains)

    assert versions.draft().digest == packed.digest
    assert Domain.objects.get(slug="clinical").name == "Clinical"


# --- Taking in


@pytest.fixture
def text(staffed_refunds) -> str:
    """The policy in force, as a file."""
    return exported()


def test_a_file_is_a_draft_and_not_in_force(text, staffed_refunds):
    draft = versions.import_file(text.replace('strategy = "always"', 'strategy = "risk"'))

    assert [str(change) for change in draft.changes] == [
        "Refund: when a person is asked Always → When a rule or flag matches"
    ]
    assert snapshot.current().types["refund"].strategy == "always"


def test_what_a_whole_policy_does_not_name_is_switched_off(text, action_type):
    action_type("mail")

    draft = versions.import_file(text)

    assert [str(change) for change in draft.changes] == ["Mail is gone"]
    assert ActionType.objects.get(name="mail").active is False


def test_a_pack_adds_to_what_is_there(staffed_refunds):
    pack = (packs._FOLDER / "commerce.toml").read_text()
    whole = {change.thing for change in versions.import_file(pack).changes if not change.field}

    assert {"Customer mail", "Acknowledgement", "High-value order", "Bulk shipment"} <= whole
    assert ActionType.objects.get(name="refund").active
    assert ActionType.objects.get(name="refund").schema_version == 2  # its schema is another now


def test_a_draft_is_not_lost_by_a_file(text, change_action_type):
    change_action_type(tier_id=2)

    with pytest.raises(versions.NotPublished, match="1 changes are not in force"):
        versions.import_file(text)


RULE = 'name = "big", when = "args.order > 1.0", effect = "review", message = "x"'
IRREVERSIBLE = (
    'reversibility = "partial"\nstrategy = "always"',
    'reversibility = "irreversible"\nstrategy = "risk"',
)


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("[[tier]]", "[[tier]", "at line"),
        ('strategy = "always"', 'strateg = "always"', "action “refund”, strateg: “strateg” is not known; did you mean"),
        ('strategy = "always"', 'strategy = "often"', "action “refund”, strategy: "),
        ('title = "Refund"', "", "action “refund”, title: This field is required."),
        ('title = "Refund"', "title = 1979-05-27", "action / 1 / title: a date is written in quotes"),
        ("approvers = 1\nlevel = 2", "approvers = 1\nlevel = 20", "action “refund”, level: "),
        ('sla = "15 min"', 'sla = "soon"', "tier “Frontline”, sla: Write a number with its unit, such as 15 min"),
        ('sla = "15 min"', 'sla = "15"', "tier “Frontline”, sla: Write a number with its unit"),
        ('sla = "15 min"', 'sla = "9999 weeks"', "tier “Frontline”, sla: Nothing here lasts longer than 3660 days."),
        ('domain = "commerce"', 'domain = "comerce"', "did you mean “commerce”"),
        ("level = 2\nname", "level = 1\nname", "tier “1” stands there twice"),
        # And what reads well, but cannot stand:
        ('ceiling = "50000"', 'ceiling = "500"', "tiers: The ceilings overlap"),
        ("next = 3", "next = 1", "2 · Specialists · escalates to: Escalation would run in a circle: 2 → 1 → 2"),
        ("tier = 1\n", "tier = 7\n", "Refund · lowest tier: There is no active tier 7; choose one of 1, 2, 3."),
        ('value_path = "amount"', 'value_path = "sum"', "Refund · value: “sum” is not known"),
        (IRREVERSIBLE[0], IRREVERSIBLE[1], "Refund · when a person is asked: An irreversible action always asks"),
        ('gate = "hard"', 'gate = "soft"', "Refund · how: A soft gate runs when nobody answers"),
        ('auto_threshold = "0.85"', 'auto_threshold = "0.5"', "Refund · passes from: The bands overlap"),
        ('EUR = "1"', 'EUR = "2"', "currencies: No currency has the rate 1"),
        (
            '[[action]]\nname = "refund"',
            f'[[action]]\nrule = [{{{RULE}}}]\nname = "refund"',
            "Refund · rule “big” · when: Line 1, column 12: “>” does not go with text and a number",
        ),
    ],
)
def test_what_cannot_be_taken_in_says_where_and_how_to_mend_it(text, before, after, complaint):
    assert before in text
    was = snapshot_of_tables()

    with pytest.raises(files.BadFile) as refused:
        versions.import_file(text.replace(before, after, 1))

    assert complaint in str(refused.value)
    assert snapshot_of_tables() == was


def test_a_number_of_a_schema_never_stands_for_two(text, publish, staffed_refunds):
    other = text.replace('title = "Order"', 'title = "Order number"')
    assert versions.import_file(other).snapshot["types"]["refund"]["schema_version"] == 2
    publish()
    claimed = text.replace('title = "Order"', 'title = "Number"').replace("schema_version = 1", "schema_version = 2")
    third = versions.import_file(claimed)

    assert third.snapshot["types"]["refund"]["schema_version"] == 3


@pytest.mark.parametrize(
    ("spelling", "again"),
    [
        ("90s", "1 min 30 s"),
        ("90 s", "1 min 30 s"),
        ("15m", "15 min"),
        ("1.5h", "1 h 30 min"),
        ("1 h 30 min", "1 h 30 min"),
        ("2d", "2 days"),
        ("2 days", "2 days"),
    ],
)
def test_a_duration_is_read_as_the_forms_read_it_and_written_as_they_write_it(text, staffed_refunds, spelling, again):
    policy = versions.import_file(text.replace('sla = "15 min"', f'sla = "{spelling}"', 1)).snapshot

    assert policy["tiers"]["1"]["sla"] == durations.read(spelling).total_seconds()
    assert f'sla = "{again}"' in file_writer.toml(policy, {})
