"""A sample request is tried on the draft; a rehearsal says what has no past, and sums what moves."""

import pytest
from django.urls import reverse

from approvals.models import ActionType, Agent, Approval


def url(name: str, *args: object) -> str:
    return reverse(f"admin:approvals_policyversion_{name}", args=args)


@pytest.fixture
def try_sample(desk, robot):
    """send(args='{"amount": 40}'): what the page says of a sample request."""

    def make(**changes):
        form = {"agent": robot.pk, "action": "refund", "args": '{"order": "1", "amount": 40, "currency": "EUR"}'}
        return desk.post(url("try"), {**form, **changes}).content.decode()

    return make


@pytest.fixture
def freight(staffed_refunds):
    """A new action type of the draft."""
    return ActionType.objects.create(
        name="freight",
        title="Freight",
        headline="send {what}",
        domain=staffed_refunds.domain,
        tier_id=2,
        reversibility="reversible",
        strategy="always",
        level=2,
        schema={"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]},
    )


def test_a_sample_is_routed_under_the_draft_beside_what_is_in_force(try_sample, change_action_type, desk):
    change_action_type(tier_id=2)
    page = try_sample()
    assert "asks tier 2" in page and "asks tier 1" in page
    assert "This action always asks a person." in page or "level 1" in page
    assert not Approval.objects.exists()
    assert url("try") in desk.get(url("sample")).content.decode()
    assert url("sample") in desk.get(url("draft")).content.decode()


def test_a_new_type_can_be_tried_before_it_is_in_force(try_sample, freight):
    page = try_sample(action="freight", args='{"what": "two crates"}')
    assert "asks tier 2" in page
    assert "not taken" in page and "unknown action type" in page  # in force there is none


def test_what_does_not_fit_is_said_with_its_place(try_sample, freight):
    assert "/args" in try_sample(action="freight", args="{}")
    assert "This is no JSON" in try_sample(args="{")
    assert "not taken" in try_sample(args="[1]")


def test_what_an_agent_writes_is_text(try_sample, freight):
    page = try_sample(action="freight", args='{"<script>x</script>": 1}')
    assert "<script>x" not in page


def test_a_rehearsal_of_a_new_type_says_that_it_has_no_past(desk, freight, propose):
    propose(amount=40)
    page = desk.post(url("rehearse"), follow=True).content.decode()
    assert "No past" in page and "Freight: nothing of it was proposed in this time" in page
    assert url("sample") in page


def test_a_rehearsal_of_nothing_does_not_say_that_it_changes_nothing(desk, freight):
    page = desk.post(url("rehearse"), follow=True).content.decode()
    assert "Nothing was proposed in this time" in page and "changes nothing" not in page


def test_a_changed_type_with_a_past_is_not_named(desk, change_action_type, propose):
    propose(amount=40)
    change_action_type(tier_id=2)
    assert "No past" not in desk.post(url("rehearse"), follow=True).content.decode()


def test_what_moves_is_summed_by_agent_type_and_tier(desk, change_action_type, propose):
    for order in ("1", "2", "3"):
        propose(amount=40, order=order)
    other = Agent.objects.create(name="other")
    Approval.objects.filter(pk=propose(amount=40, order="4").pk).update(agent=other)
    change_action_type(tier_id=2)
    page = desk.post(url("rehearse"), follow=True).content.decode()
    assert "By agent" in page and "<span>robot</span> <b>3</b>" in page and "<span>other</span> <b>1</b>" in page
    assert "By action type" in page and "<span>Refund</span> <b>4</b>" in page
    assert "By tier of the draft" in page and "<span>tier 2</span> <b>4</b>" in page
