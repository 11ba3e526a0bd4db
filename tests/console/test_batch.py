"""Several alike at once: the template once, what varies, and each one's own result."""

import pytest
from django.urls import reverse

from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.models import Approval, Decision

FRAGMENT = {"HX-Request": "true"}


def pick(approval) -> str:
    return f"{approval.pk}:{approval.version}"


@pytest.fixture
def alike(propose):
    """Refunds of one kind without flags."""

    def make(*amounts):
        made = [propose(order=str(n), amount=amount) for n, amount in enumerate(amounts)]
        Approval.objects.filter(pk__in=[one.pk for one in made]).update(flagged=0)
        return [load(one.pk) for one in made]

    return make


@pytest.fixture
def send(as_, alice):
    def post(approvals, verdict="approve", **form):
        picked = [pick(one) for one in approvals]
        return as_(alice).post(reverse("batch:batch"), {"pick": picked, "verdict": verdict, **form}, headers=FRAGMENT)

    return post


def test_u43_what_is_shared_stands_once_and_what_varies_in_a_table(alike, alice, as_):
    made = alike(10, 11, 12, 400)
    response = as_(alice).get(reverse("batch:batch"), {"pick": [pick(one) for one in made]}, headers=FRAGMENT)
    together = response.context["together"]

    assert [fact.path for fact in together.shared] == ["currency"]
    amount = next(column for column in together.columns if column.path == "amount")
    assert (amount.low, amount.high, amount.total) == (10, 400, 433)
    assert [any(cell.odd for cell in line.cells) for line in together.lines] == [False, False, False, True]


def test_only_numbers_are_added_up(alike, alice, as_):
    def shown(*amounts) -> str:
        picked = [pick(approval) for approval in alike(*amounts)]
        return as_(alice).get(reverse("batch:batch"), {"pick": picked}, headers=FRAGMENT).content.decode()

    assert "Lowest to highest" in shown(10, 20)
    assert "Lowest to highest" not in shown(30, 30)  # the orders differ, and an order has no sum


def test_u44_each_has_its_own_result_and_one_failure_leaves_the_rest(alike, carol, send):
    first, second, third = alike(10, 11, 12)
    decide(card_version_of(second), by=carol, verdict="approve")
    page = send([first, second, third])

    assert page.status_code == 200
    assert [load(one.pk).decided_by.username for one in (first, second, third)] == ["alice", "carol", "alice"]
    assert "Carol approved this" in page.content.decode()


def test_u45_each_has_its_own_decision_and_event(alike, send):
    made = alike(10, 11)
    send(made)

    for approval in made:
        assert load(approval.pk).decisions.get().surface == "batch"
        assert approval.events.filter(kind="decided").count() == 1


def test_u42_the_rest_is_listed_as_left_out_with_the_reason(alike, propose, alice, as_):
    first, second = alike(10, 11)
    Approval.objects.filter(pk=second.pk).update(flagged=2)
    response = as_(alice).get(reverse("batch:batch"), {"pick": [pick(first), pick(second)]}, headers=FRAGMENT)

    assert [one.approval for one in response.context["together"].left] == [second]
    assert "has a flag" in response.content.decode()


def test_a_flagged_one_is_not_approved_with_the_others(alike, send):
    first, second = alike(10, 11)
    Approval.objects.filter(pk=second.pk).update(flagged=2)
    send([first, second])

    assert load(second.pk).status == "pending"


def test_rejecting_together_needs_a_reason_too(alike, send):
    made = alike(10, 11)
    assert send(made, "reject").status_code == 422
    assert {load(one.pk).status for one in made} == {"pending"}

    send(made, "reject", reason="policy")
    assert {load(one.pk).verdict for one in made} == {"reject"}


@pytest.mark.parametrize("junk", ["", "x", "a:b:c:d", "00000000-0000-0000-0000-000000000000:1:1:sha256:0"])
def test_picks_that_are_none_of_ours_change_nothing(junk, alike, alice, as_):
    response = as_(alice).post(reverse("batch:batch"), {"pick": [junk], "verdict": "approve"}, headers=FRAGMENT)

    assert response.status_code == 409
    assert not Decision.objects.exists()


def test_more_than_a_thousand_are_refused(alike, alice, as_):
    [approval] = alike(10)
    ids = [f"00000000-0000-0000-0000-{n:012d}:{approval.version}" for n in range(1001)]
    response = as_(alice).post(
        reverse("batch:batch"), {"pick": [pick(approval), *ids], "verdict": "approve"}, headers=FRAGMENT
    )

    assert response.status_code == 403
    assert load(approval.pk).status == "pending"


def test_what_another_domain_has_is_not_even_named(alike, mallory, as_):
    [approval] = alike(10)
    page = as_(mallory).post(reverse("batch:batch"), {"pick": [pick(approval)], "verdict": "approve"}, headers=FRAGMENT)

    assert load(approval.pk).status == "pending"
    assert "order" not in page.content.decode().lower()
