"""A change is in force when it is published, by whom it takes; it goes back in one step."""

import threading

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError

from approvals.models import ActionType, Currency, Membership, PolicyVersion, PublishRequest, Rule, Threshold, Tier
from approvals.policy import snapshot
from approvals.policy.authoring import tables, versions
from approvals.policy.authoring.coverage import ReviewerRoster, gaps_of
from approvals.policy.authoring.documents import snapshot_of_tables
from approvals.values.schema import digest_of


def digest() -> str:
    return versions.draft().digest


def change_sentences() -> list[str]:
    return [str(change) for change in versions.draft().changes]


# --- The draft, in words


def test_a_draft_says_what_differs_in_the_words_of_the_forms(staffed_refunds, change_action_type, rule):
    Tier.objects.filter(level=1).update(sla="01:30:00", ceiling=6000)
    Currency.objects.filter(code="USD").update(rate="0.95")
    Threshold.objects.create(action_type=staffed_refunds, impact="high", auto="0.95", review="0.7")
    rule("value > 100.0")
    change_action_type(auto_threshold="0.9", strategy="risk", weights={"impact": 0.1}, reason_required=False)

    assert change_sentences() == [
        "1 · Frontline: value ceiling 5000 → 6000",
        "1 · Frontline: answer within 15 min → 1 h 30 min",
        "Refund: when a person is asked Always → When a rule or flag matches",
        "Refund: a rejection needs a reason yes → no",
        "Refund: passes from 0.85 → 0.9",
        "Refund: signal weights the default → impact 0.1",
        "Refund: High impact as the action type's own → passes from 0.95, a person from 0.7",
        "Refund, rule “big” is new",
        "Currency USD: in base currency 0.9 → 0.95",
    ]


def test_a_field_of_a_schema_is_named_by_its_place(staffed_refunds, change_action_type):
    schema = {**staffed_refunds.schema, "properties": {**staffed_refunds.schema["properties"]}}
    schema["properties"]["amount"] = {**schema["properties"]["amount"], "maximum": 900}
    change_action_type(schema=schema)

    assert change_sentences() == ["Refund: JSON Schema of the arguments / amount / maximum nothing → 900"]


# --- Publishing


def test_publishing_puts_the_draft_in_force_with_who_and_why(staffed_refunds, change_action_type, ada):
    draft = change_action_type(tier_id=2)
    assert snapshot.current().types["refund"].tier == 1

    version = versions.publish(by=ada, note="  specialists  ", digest=draft.digest)

    assert (version.published_by, version.note) == (ada, "specialists")
    assert snapshot.current().types["refund"].tier == 2
    assert not versions.draft().differs


def test_open_approvals_keep_the_version_they_arrived_under(refund, staffed_refunds, change_action_type, publish):
    change_action_type(tier_id=2)
    version = publish()

    refund.refresh_from_db()
    assert refund.policy_id == version.number - 1


@pytest.mark.parametrize("note", ["", "   "])
def test_a_note_says_why(staffed_refunds, change_action_type, ada, note):
    draft = change_action_type(tier_id=2)

    with pytest.raises(versions.NotPublished, match="Say in the note"):
        versions.publish(by=ada, note=note, digest=draft.digest)
    assert snapshot.current().types["refund"].tier == 1


def test_what_is_published_is_what_was_looked_at(staffed_refunds, change_action_type, ada):
    looked_at = change_action_type(tier_id=2).digest
    change_action_type(tier_id=3)

    with pytest.raises(versions.DraftChanged):
        versions.publish(by=ada, note="specialists", digest=looked_at)
    with pytest.raises(versions.DraftChanged):
        versions.discard(by=ada, digest=looked_at)
    assert snapshot.current().types["refund"].tier == 1


def test_nothing_is_published_twice(staffed_refunds, change_action_type, publish, ada):
    change_action_type(tier_id=2)
    publish()

    with pytest.raises(versions.NotPublished, match="Nothing differs"):
        versions.publish(by=ada, note="again", digest=digest())


@pytest.mark.parametrize(
    ("break_it", "mend"),
    [
        (lambda: Tier.objects.filter(level=2).update(ceiling=4000), "The ceilings overlap"),
        (lambda: Tier.objects.filter(level=3).update(ceiling=90_000), "would belong to no tier"),
        (lambda: Tier.objects.filter(level=3).update(active=False), "There is no active tier 3"),
        (lambda: ActionType.objects.update(value_path="sum"), "“sum” is not known"),
        (lambda: ActionType.objects.update(domain="clinical"), "no active reviewer of clinical"),
        (lambda: ActionType.objects.update(approvers=3), "needs 3 people in tier 1"),
        (lambda: Rule.objects.create(name="x", expression="args.no", message="x", action_type_id="refund"), "args.no"),
        (lambda: Rule.objects.create(name="x", expression="value >", message="x"), "Line 1, column"),
    ],
)
def test_what_cannot_work_is_not_published_and_the_mend_is_said(staffed_refunds, clinical, ada, break_it, mend):
    number = snapshot.current().number
    break_it()

    with pytest.raises(versions.NotPublished) as refused:
        versions.publish(by=ada, note="wrong", digest=digest())
    assert mend in str(refused.value)
    assert snapshot.current().number == number


def test_a_gap_that_is_there_already_holds_nobody_up(refunds, change_action_type, ada):
    change_action_type(title="Money back")  # nobody reviews anything here

    assert versions.publish(by=ada, note="a title", digest=digest()) is not None


# --- Two must agree


@pytest.fixture
def second_publisher(settings) -> None:
    settings.ASSENT_SECOND_PUBLISHER = True


def test_where_it_takes_two_the_first_asks_and_another_publishes(
    second_publisher, staffed_refunds, change_action_type, ada, eve
):
    draft = change_action_type(tier_id=2)

    assert versions.publish(by=ada, note="specialists", digest=draft.digest) is None
    assert snapshot.current().types["refund"].tier == 1
    with pytest.raises(versions.NotPublished, match="another admin publishes it"):
        versions.publish(by=ada, note="at once", digest=draft.digest)
    assert snapshot.current().types["refund"].tier == 1

    version = versions.publish(by=eve, note="", digest=draft.digest)
    assert (version.published_by, version.request.requested_by, version.note) == (eve, ada, "specialists")
    assert snapshot.current().types["refund"].tier == 2
    assert versions.open_publish_request() is None


def test_a_draft_that_was_changed_is_asked_for_anew(second_publisher, staffed_refunds, change_action_type, ada, eve):
    versions.publish(by=ada, note="specialists", digest=change_action_type(tier_id=2).digest)
    draft = change_action_type(tier_id=3)

    # Eve agrees to nothing that Ada did not ask for: it is Eve who asks now.
    assert versions.publish(by=eve, note="seniors", digest=draft.digest) is None
    assert versions.open_publish_request().requested_by == eve
    assert snapshot.current().types["refund"].tier == 1
    assert versions.publish(by=ada, note="", digest=draft.digest).note == "seniors"


def test_the_database_knows_that_it_takes_two(second_publisher, staffed_refunds, change_action_type, ada):
    versions.publish(by=ada, note="specialists", digest=change_action_type(tier_id=2).digest)

    with pytest.raises(IntegrityError), transaction.atomic():
        PublishRequest.objects.update(open=False, closed_by=ada, version=PolicyVersion.objects.first())


def test_a_request_is_declined_and_the_draft_stays(second_publisher, staffed_refunds, change_action_type, ada, eve):
    versions.publish(by=ada, note="specialists", digest=change_action_type(tier_id=2).digest)

    versions.withdraw(by=eve)

    assert versions.open_publish_request() is None
    assert versions.draft().differs
    with pytest.raises(versions.NotPublished):
        versions.withdraw(by=eve)


def test_going_back_takes_two_as_well(second_publisher, staffed_refunds, change_action_type, ada, eve):
    first = snapshot.current().number
    versions.publish(by=ada, note="specialists", digest=change_action_type(tier_id=2).digest)
    versions.publish(by=eve, note="", digest=digest())

    versions.restore_version(first)
    assert versions.publish(by=ada, note="back", digest=digest()) is None
    assert snapshot.current().types["refund"].tier == 2
    assert versions.publish(by=eve, note="", digest=digest()).note == "back"
    assert snapshot.current().types["refund"].tier == 1


# --- Discarding and going back


def change_everything(staffed) -> None:
    """Change something of each kind."""
    Tier.objects.create(level=4, name="Board")
    Tier.objects.filter(level=3).update(next=4, ceiling=100_000)
    Currency.objects.create(code="CHF", rate="1.07")
    Currency.objects.filter(code="GBP").delete()
    Rule.objects.filter(name="old").delete()
    Rule.objects.create(name="new", expression="value > 2.0", message="x", action_type=staffed)
    Threshold.objects.create(action_type=staffed, impact="low", auto="0.5", review="0.4")
    ActionType.objects.create(
        name="mail",
        title="Mail",
        headline="mail",
        domain=staffed.domain,
        tier_id=4,
        reversibility="partial",
        strategy="always",
    )
    ActionType.objects.filter(name="refund").update(title="Money back", schema={"type": "object"}, approvers=2)


def test_discarding_takes_the_tables_back_to_what_is_in_force(staffed_refunds, rule, publish, ada):
    rule("value > 1.0", name="old")
    publish()
    before = snapshot_of_tables()
    Rule.objects.create(name="idle", expression="true", message="x", active=False)
    change_everything(staffed_refunds)
    assert digest_of(snapshot_of_tables()) != digest_of(before)

    given_up = versions.discard(by=ada, digest=digest())

    assert snapshot_of_tables() == before
    assert "4 · Board is new" in map(str, given_up)
    assert not ActionType.objects.filter(name="mail").exists()
    assert not Tier.objects.filter(level=4).exists()
    assert Rule.objects.filter(name="idle", active=False).exists()  # policy never held it


def test_people_stay_where_they_are_when_a_draft_is_discarded(staffed_refunds, ada, person):
    Tier.objects.create(level=4, name="Board")
    Tier.objects.filter(level=3).update(next=4, ceiling=100_000)
    person("judith", tier=4)

    versions.discard(by=ada, digest=digest())

    assert Membership.objects.filter(user__username="judith", tier_id=4).exists()
    assert Tier.objects.get(level=4).active is False


def test_going_back_makes_a_new_version_that_equals_the_old(staffed_refunds, rule, publish, ada, propose, person):
    rule("value > 1.0", name="old")
    first = publish("first")
    change_everything(staffed_refunds)
    Membership.objects.create(user=person("judy"), tier_id=4)
    Membership.objects.create(user=person("jim"), tier_id=1)
    for level in (2, 3, 4):
        Membership.objects.create(user=person(f"jo{level}"), tier_id=level)
    second = publish("second")
    propose(amount=200_000, args={"order": "1", "amount": 200_000, "currency": "EUR"})

    draft = versions.restore_version(first.number)
    assert snapshot.current().types.keys() == {"refund", "mail"}  # nothing is in force before it is published
    assert "4 · Board is gone" in " ".join(map(str, draft.changes))
    with pytest.raises(versions.NotPublished, match="Say in the note"):
        versions.publish(by=ada, note="", digest=draft.digest)
    third = versions.publish(by=ada, note="The board is too slow.", digest=draft.digest)

    assert third is not None and third.number == second.number + 1
    assert third.digest == first.digest
    assert snapshot_of_tables() == first.snapshot
    assert snapshot.current().types.keys() == {"refund"}
    # History points at it: switched off, not gone.
    assert ActionType.objects.get(name="mail").active is False


def test_going_back_is_undone_like_any_other_change_though_nobody_is_in_a_tier(
    staffed_refunds, change_action_type, publish, ada, carol
):
    """What had been in force may come back, and is said aloud; a gap that never was may not."""
    first = snapshot.current().number
    change_action_type(tier_id=3)
    second = publish("seniors").number
    versions.restore_version(first)
    publish("back")
    Membership.objects.filter(tier_id__in=[2, 3]).delete()
    Tier.objects.filter(level=1).update(next=None, ceiling=None)
    Tier.objects.filter(level=2).update(active=False)
    Tier.objects.filter(level=3).update(active=False)
    publish("alone")

    draft = versions.restore_version(second)
    assert draft.obstacles == []
    assert any(
        "The action type “Refund” leads to tier 3, which has no active reviewer." in one for one in draft.gaps_again
    )
    assert versions.publish(by=ada, note="seniors again", digest=draft.digest) is not None
    assert snapshot.current().types["refund"].tier == 3


def test_a_gap_that_was_never_in_force_is_an_obstacle_still(staffed_refunds, change_action_type, publish):
    change_action_type(title="Money back")
    publish()
    draft = change_action_type(approvers=4)
    assert any("needs 4 people" in one for one in draft.obstacles)
    assert draft.gaps_again == []


def test_a_tier_that_only_values_reach_must_have_somebody(staffed_refunds, change_action_type, publish, carol):
    """Three tiers by ceilings, none of which leads to another: 300,000 waits for tier 3."""
    Tier.objects.update(next=None)
    publish("no escalation")
    assert versions.draft().obstacles == []
    Membership.objects.filter(tier_id=3).delete()
    gaps_text = " ".join(map(str, gaps_of(snapshot_of_tables(), ReviewerRoster())))
    assert (
        "A value of “Refund” above what tier 2 may decide leads to tier 3, which has no active reviewer." in gaps_text
    )
    Tier.objects.filter(level=2).update(ceiling=None)
    assert "above what tier 2" not in " ".join(map(str, gaps_of(snapshot_of_tables(), ReviewerRoster())))


def test_a_draft_is_not_lost_by_going_back(staffed_refunds, change_action_type, publish, ada):
    first = snapshot.current().number
    change_action_type(tier_id=2)
    publish()
    change_action_type(title="Money back")

    with pytest.raises(versions.NotPublished, match="publish or discard them first"):
        versions.restore_version(first)
    assert ActionType.objects.get().title == "Money back"


def test_a_version_from_before_a_column_goes_back_with_its_default(staffed_refunds):
    old_snapshot = PolicyVersion.objects.first().snapshot
    del old_snapshot["types"]["refund"]["permit_valid"]

    tables.restore(old_snapshot)

    assert snapshot_of_tables()["types"]["refund"]["permit_valid"] == 24 * 3600


# --- At once


@pytest.mark.django_db(transaction=True)
def test_of_two_who_publish_at_once_each_publishes_what_was_seen_or_nothing(
    staffed_refunds, change_action_type, ada, eve
):
    draft = change_action_type(tier_id=2)
    before = PolicyVersion.objects.count()
    results: list[object] = []
    ready = threading.Barrier(2)

    def go(who) -> None:
        try:
            ready.wait()
            results.append(versions.publish(by=who, note=f"by {who.username}", digest=draft.digest))
        except versions.NotPublished as refused:
            results.append(refused)
        finally:
            connection.close()

    threads = [threading.Thread(target=go, args=(who,)) for who in (ada, eve)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert PolicyVersion.objects.count() == before + 1
    assert sorted(type(one).__name__ for one in results) == ["NotPublished", "PolicyVersion"]
