import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError

from approvals.models import ActionType, Currency, PolicyVersion, Rule, Tier
from approvals.policy import snapshot


def test_without_a_policy_there_is_none(db):
    with pytest.raises(snapshot.NoPolicy):
        snapshot.current()
    with pytest.raises(snapshot.NoPolicy):
        snapshot.load(4)


def test_a_change_is_the_next_version_and_no_change_is_none(published):
    assert snapshot.publish(by=None, note="same").number == published.version.number
    ActionType.objects.filter(name="refund").update(tier_id=2)
    later = snapshot.publish(by=None, note="refunds to specialists")
    assert later.number == published.version.number + 1
    assert snapshot.current().types["refund"].tier == 2


def test_an_approval_finds_the_version_it_arrived_under(published):
    ActionType.objects.filter(name="refund").update(tier_id=2)
    snapshot.publish(by=None, note="later")
    assert snapshot.load(published.version.number).types["refund"].tier == 1


def test_an_action_type_that_is_not_active_is_not_in_the_policy(published):
    ActionType.objects.filter(name="refund").update(active=False)
    Rule.objects.filter(action_type_id="send_mail").update(active=False)
    snapshot.publish(by=None, note="no refunds")
    policy = snapshot.current()
    assert "refund" not in policy.types
    assert policy.types["send_mail"].rules == ()


def test_a_global_rule_holds_for_every_type(published):
    Rule.objects.create(name="all", expression='agent == "mallory"', effect="block", message="Not Mallory.")
    snapshot.publish(by=None, note="all")
    assert all(type.rules[-1].name == "all" for type in snapshot.current().types.values())


def test_reading_the_policy_in_force_is_one_query(published, django_assert_num_queries):
    snapshot.current()
    with django_assert_num_queries(1):
        again = snapshot.current()
    assert again is snapshot.current()


def test_compiled_versions_in_memory_are_bounded(published, monkeypatch):
    monkeypatch.setattr(snapshot, "KEPT", 2)
    for ceiling in range(100, 100 + snapshot.KEPT + 4):
        Tier.objects.filter(level=1).update(ceiling=ceiling)
        snapshot.publish(by=None, note="again")
        snapshot.current()
    assert len(snapshot._cache) == snapshot.KEPT


def test_a_number_that_was_rolled_back_is_not_taken_for_the_next_of_that_number(published):
    with transaction.atomic():
        ActionType.objects.filter(name="refund").update(title="Never")
        number = snapshot.publish(by=None, note="rolled back").number
        assert snapshot.current().types["refund"].title == "Never"
        transaction.set_rollback(True)
    ActionType.objects.filter(name="refund").update(title="For good")
    assert snapshot.publish(by=None, note="for good").number == number
    assert snapshot.current().types["refund"].title == "For good"


@pytest.mark.parametrize(
    ("break_it", "pointer"),
    [
        (lambda: ActionType.objects.filter(name="refund").update(schema={"type": "banana"}), "/types/refund/schema"),
        (
            lambda: ActionType.objects.filter(name="refund").update(schema={"$ref": "http://example.com/"}),
            "/types/refund/schema",
        ),
        (
            lambda: Rule.objects.filter(action_type="refund", name="above 250").update(expression="value >"),
            "/types/refund/rules/above 250",
        ),
        (lambda: Rule.objects.create(name="all", expression="nonsense", message="x"), "/rules/all"),
        (lambda: Currency.objects.filter(code="EUR").update(rate=2), "/rates"),
    ],
)
def test_what_does_not_compile_is_not_published(published, break_it, pointer):
    break_it()
    with pytest.raises(snapshot.Unpublishable) as refused:
        snapshot.publish(by=None, note="broken")
    assert refused.value.faults[0].pointer.startswith(pointer)
    assert snapshot.current().number == published.version.number


def test_versions_are_append_only(published):
    with pytest.raises(DatabaseError), transaction.atomic():
        PolicyVersion.objects.filter(number=published.version.number).update(note="other")
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM approvals_policyversion")


def test_an_old_rule_that_no_longer_compiles_still_loads(published):
    stored = PolicyVersion.objects.get(number=published.version.number).snapshot
    stored["types"]["refund"]["rules"][0]["when"] = "a function of yesterday()"
    policy = snapshot.compiled(1, stored)
    assert policy.types["refund"].rules[0].expression is None
