"""Rules in files and drafts: what cannot stand is refused there, too, and what can is rehearsed as it would route."""

from datetime import timedelta

import pytest

from approvals.db import times
from approvals.models import Approval, Domain, Run
from approvals.policy.authoring import file_writer, files, versions
from approvals.policy.authoring.documents import snapshot_of_tables
from tests.rehearsal.conftest import why_of

ACTION = '[[action]]\nname = "refund"'
STAGE = 'effect = "review", stage = [{}]'


@pytest.fixture
def import_rule(staffed_refunds):
    """taken_in('when = "true", effect = "block"'): the policy in force with this rule of refunds, as a file."""
    text = file_writer.toml(snapshot_of_tables(), dict(Domain.objects.values_list("slug", "name")))

    def take(rule):
        rule_table = f'{{name = "big", message = "x", {rule}}}'
        return versions.import_file(text.replace(ACTION, f'[[action]]\nrule = [{rule_table}]\nname = "refund"', 1))

    return take


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ('when = "context.vouched", effect = "allow"', "An agent must not talk itself through: context is"),
        ('when = "run.rejectd > 1", effect = "flag"', "There is no run.rejectd. Did you mean run.rejected?"),
        ('when = "now > 5", effect = "flag"', "“>” does not go with a time and a whole number"),
        ('when = "valeu > 5.0", effect = "flag"', "“valeu” is not known; did you mean “value”?"),
        ('when = "context.a.map(x, x) == [1]", effect = "flag"', "a rule may take 65,000. Ask with exists(…)"),
        ('when = "true", ' + STAGE.format("{tier = 7}"), "Stage 1: There is no active tier 7; choose one of 1, 2, 3."),
        (
            'when = "true", ' + STAGE.format('{tier = 1, domain = "comerce"}'),
            "stage 1: “comerce” is not known; did you",
        ),
        ('when = "true", ' + STAGE.format(", ".join(["{tier = 1}"] * 6)), "At most 5 stages"),
        ('when = "true", effect = "block", stage = [{tier = 1}]', "Only “Ask a person” has stages"),
        ('when = "true", effect = "block", typed = true', "Only “Ask a person” has a confirmation to type"),
    ],
)
def test_a_file_with_a_rule_that_cannot_stand_is_refused(import_rule, rule, complaint):
    before = snapshot_of_tables()

    with pytest.raises(files.BadFile) as refused:
        import_rule(rule)

    assert complaint in str(refused.value)
    assert snapshot_of_tables() == before


def test_a_file_with_stages_is_a_draft(import_rule):
    draft = import_rule('when = "true", ' + STAGE.format('{tier = 1}, {tier = 2, domain = "commerce"}'))

    assert [str(change) for change in draft.changes] == ["Refund, rule “big” is new"]
    assert draft.obstacles == []


def test_stages_without_enough_people_keep_a_draft_from_being_published(import_rule):
    draft = import_rule('when = "true", ' + STAGE.format("{tier = 2, approvers = 2}"))

    [obstacle] = draft.obstacles
    assert "Stage 1 of the rule “big” needs 2 people in tier 2" in obstacle


def test_a_draft_that_lets_pass_moves_what_nothing_stricter_holds(staffed_refunds, propose, rule, rehearse_draft):
    small, big = propose(amount=40), propose(amount=900)
    rule("value < 1000.0", name="small", effect="allow", message="Small ones pass.")
    rule("value > 500.0", message="Above 500 a person decides.")

    rehearsal_result = rehearse_draft()

    kinds = {moved.approval_id: moved for moved in rehearsal_result.moved}
    assert (kinds[small.pk].kind, why_of(kinds[small.pk]).split(": ")[0]) == (
        "review_auto",
        "Rule 'small' lets it pass",
    )
    assert big.pk not in kinds


def test_a_draft_is_rehearsed_at_the_time_and_in_the_run_of_the_approval(
    staffed_refunds, propose, rule, rehearse_draft
):
    late, early = propose(amount=40, order="1"), propose(amount=40, order="2")
    Approval.objects.filter(pk=early.pk).update(created_at=times.now() - timedelta(days=1))
    run = Run.objects.create(agent=late.agent, key="thread-7", name="Nightly")
    late.request.run = run
    late.request.step = "pay"
    late.request.save(update_fields=["run", "step"])
    since = (times.now() - timedelta(hours=1)).isoformat()
    rule(f'run.name == "Nightly" && run.step == "pay" && now > timestamp("{since}")', effect="block")

    rehearsal_result = rehearse_draft()

    assert [(moved.approval_id, moved.kind) for moved in rehearsal_result.moved] == [(late.pk, "review_reject")]
