"""Terms by domain: a tier's ceiling, time and hours differ where a domain has its own, and nowhere else."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from approvals.admin.deadline_shares import shares
from approvals.clock import sweep
from approvals.db import times
from approvals.decisions import escalation
from approvals.decisions.card_version import load
from approvals.models import DomainTerms, Membership, PolicyVersion, Tier
from approvals.models.states import Status
from approvals.policy import hours, snapshot
from approvals.policy.authoring import documents, file_writer, files, tables, validation
from approvals.policy.authoring.coverage import ReviewerRoster, gaps_of
from approvals.policy.authoring.differences import changes, location_of
from approvals.policy.compiled_policy import Hours
from tests.conftest import sentences_of

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
NIGHT = Hours(time(22), time(6), frozenset(range(1, 6)), "Europe/Vienna")  # 21:00 to 05:00 UTC in winter


@pytest.fixture
def terms(tiers, clinical):
    """In clinical tier 1 decides up to 100 and answers within five minutes."""
    return DomainTerms.objects.create(
        tier=tiers[1], domain=clinical, ceiling=Decimal(100), sla=timedelta(minutes=5), time_zone="UTC"
    )


@pytest.fixture
def both(terms, refunds, action_type, clinical):
    """A refund and a dose: alike, in two domains."""
    return refunds, action_type("dose", domain=clinical)


def test_a_value_goes_to_the_tier_whose_ceiling_holds_in_its_domain(both, propose):
    refund, dose = propose(250), propose(250, action="dose")

    assert (refund.tier_id, dose.tier_id) == (1, 2)
    assert propose(100, action="dose").tier_id == 1
    assert any("ceiling of tier 1 (100.00 EUR)" in reason for reason in sentences_of(dose.reasons))


def test_the_time_to_answer_is_the_domains(both, propose):
    refund, dose = propose(50), propose(50, action="dose")

    assert refund.due_at - refund.created_at == timedelta(minutes=15)
    assert dose.due_at - dose.created_at == timedelta(minutes=5)


def test_what_climbs_has_the_time_that_the_next_tier_has_in_the_domain(both, propose, tiers, clinical, person):
    DomainTerms.objects.create(tier=tiers[2], domain=clinical, ceiling=Decimal(200), sla=timedelta(minutes=7))
    snapshot.publish(by=None, note="and tier 2")
    person("dora", tier=2, domain=clinical)
    dose = propose(50, action="dose")
    late = dose.due_at + timedelta(seconds=1)

    with times.at(late):
        sweep()

    climbed = load(dose.pk)
    assert (climbed.status, climbed.tier_id) == (Status.PENDING, 2)
    assert climbed.due_at - late == timedelta(minutes=7)


def test_hours_of_a_domain_count_there_only(both, propose, terms):
    def policy():
        return snapshot.current()

    DomainTerms.objects.filter(pk=terms.pk).update(
        working=True, opens=time(22), closes=time(6), workdays=[1, 2, 3, 4, 5], time_zone="Europe/Vienna"
    )
    snapshot.publish(by=None, note="nights")
    noon = MONDAY + timedelta(hours=12)

    assert escalation.due_at(policy().tiers_in("clinical"), 1, now=noon, expires_at=None) == MONDAY + timedelta(
        hours=21, minutes=5
    )
    assert escalation.due_at(policy().tiers_in("commerce"), 1, now=noon, expires_at=None) == noon + timedelta(
        minutes=15
    )


@pytest.mark.parametrize(
    ("start", "span", "end"),
    [
        (timedelta(hours=12), timedelta(hours=1), timedelta(hours=22)),
        (timedelta(hours=23), timedelta(hours=4), timedelta(hours=27)),
        (timedelta(hours=28), timedelta(hours=2), timedelta(hours=46)),  # an hour now, another in the next night
        (timedelta(hours=3), timedelta(hours=1), timedelta(hours=22)),  # the night before began on a Sunday
        (timedelta(days=5, hours=4), timedelta(hours=2), timedelta(days=7, hours=22)),  # Friday's night, then Monday's
    ],
)
def test_hours_across_midnight_are_those_of_the_day_on_which_they_begin(start, span, end):
    assert hours.after(NIGHT, MONDAY + start, span) == MONDAY + end
    assert hours.between(NIGHT, MONDAY + start, MONDAY + end) == span


def test_a_night_in_which_clocks_go_forward_is_an_hour_shorter():
    sunday = datetime(2026, 3, 28, 12, tzinfo=UTC)
    every = Hours(time(22), time(6), frozenset(range(1, 8)), "Europe/Vienna")

    assert hours.between(every, sunday, sunday + timedelta(days=1)) == timedelta(hours=7)


def test_of_hours_that_begin_when_they_end_nothing_is_kept(tiers):
    columns = {"sla": timedelta(hours=1), "working": True, "opens": time(8), "closes": time(8), "workdays": [1]}

    assert [field for field, _said in validation.of_terms(columns)] == ["closes"]
    with pytest.raises(IntegrityError), transaction.atomic():
        Tier.objects.filter(level=1).update(working=True, opens="08:00", closes="08:00")


def test_a_new_domain_changes_nobody_elses_routing(both, propose, tiers, clinical):
    before = snapshot.current().tiers_in("commerce")
    DomainTerms.objects.create(tier=tiers[2], domain=clinical, ceiling=Decimal(300), sla=timedelta(hours=9))
    snapshot.publish(by=None, note="another row")

    assert snapshot.current().tiers_in("commerce") == before
    assert snapshot.current().tiers_in("clinical")[2].sla == timedelta(hours=9)
    assert snapshot.current().tiers_in("clinical")[2].capacities == before[2].capacities


def test_ceilings_are_checked_in_every_domain(both, tiers, clinical):
    assert validation.faults(documents.snapshot_of_tables()) == []
    DomainTerms.objects.create(tier=tiers[2], domain=clinical, ceiling=Decimal(80), sla=timedelta(hours=1))

    [fault] = validation.faults(documents.snapshot_of_tables())

    assert fault.message.startswith("In clinical: The ceilings overlap")


def test_a_fault_is_said_with_its_domain(both, terms):
    policy_snapshot = documents.snapshot_of_tables()
    policy_snapshot["tiers"]["1"]["terms"][0] |= {"time_zone": "Mars/Base"}

    [fault] = validation.faults(policy_snapshot)

    assert location_of(fault, policy_snapshot) == "1 · Frontline · clinical · time zone"


def test_a_tier_that_only_the_domains_ceiling_reaches_needs_somebody(both, person, commerce, clinical):
    for level in (1, 2, 3):
        person(f"c{level}", tier=level, domain=commerce)
    person("dora", tier=1, domain=clinical)
    person("dan", tier=3, domain=clinical)
    in_force = documents.snapshot_of_tables()

    assert {(gap.tier, gap.domain) for gap in gaps_of(in_force, ReviewerRoster())} >= {(2, "clinical")}
    DomainTerms.objects.update(ceiling=None)  # it decides every value there
    open_ended = {gap for gap in gaps_of(documents.snapshot_of_tables(), ReviewerRoster()) if "/value/" in gap.source}
    assert not {gap for gap in open_ended if gap.domain == "clinical"}
    assert Membership.objects.count() == 5


def test_what_is_written_as_a_file_reads_back_the_same(both, terms):
    DomainTerms.objects.filter(pk=terms.pk).update(working=True, opens="22:00", closes="06:00", workdays=[5, 6])
    policy_snapshot = documents.snapshot_of_tables()

    text = file_writer.toml(policy_snapshot, {"commerce": "Commerce", "clinical": "Clinical"})

    assert "[[tier.terms]]" in text
    assert files.read(text).snapshot == policy_snapshot


def test_a_file_whose_terms_name_no_domain_is_refused(both):
    text = file_writer.toml(documents.snapshot_of_tables(), {}).replace(
        'domain = "clinical"\nceiling', 'domain = "clinic"\nceiling'
    )

    with pytest.raises(files.BadFile, match=r"tier 1, terms: .*clinical"):
        files.read(text)


def test_going_back_brings_the_terms_and_takes_those_that_were_new(both, terms, tiers, commerce):
    before = PolicyVersion.objects.latest("number").snapshot
    terms.delete()
    DomainTerms.objects.create(tier=tiers[3], domain=commerce, sla=timedelta(hours=2))

    tables.restore(before)

    assert documents.snapshot_of_tables() == before


def test_a_draft_says_what_differs_in_which_domain(both, terms, tiers):
    before = documents.snapshot_of_tables()
    DomainTerms.objects.filter(pk=terms.pk).update(ceiling=Decimal(150))

    assert [str(change) for change in changes(before, documents.snapshot_of_tables())] == [
        "1 · Frontline, clinical: value ceiling 100 → 150"
    ]
    terms.delete()
    assert [str(change) for change in changes(before, documents.snapshot_of_tables())] == [
        "1 · Frontline, clinical: value ceiling 100 → 5000",
        "1 · Frontline, clinical: answer within 5 min → 15 min",
    ]


def test_the_shares_of_a_deadline_are_the_domains(both):
    form = {"expires_after": "04:00:00", "tier": "1", "gate": "hard", "on_timeout": "reject"}

    assert "Frontline 15 min" in shares({**form, "domain": "commerce"})
    assert "Frontline 5 min" in shares({**form, "domain": "clinical"})
