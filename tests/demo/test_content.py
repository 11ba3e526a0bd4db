"""What a newcomer finds: people of every role, requests that wait, a past with substance; the same at every start."""

import json
import stat

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command

from agents import keys
from approvals.db import times
from approvals.history import seal
from approvals.models import ActionType, Approval, Membership, PolicyVersion, Run, Step, User
from approvals.models.policy import Gate
from approvals.people import access, eligibility
from approvals.values.schema import check
from console.demo import courses, past, variety
from console.demo.variety import Pattern
from console.runs.summaries import with_state

pytestmark = pytest.mark.slow


@pytest.fixture
def start(db, tmp_path, monkeypatch):
    monkeypatch.setattr(past, "DAYS", 16)

    def run() -> dict:
        call_command("demo", data=tmp_path)
        return json.loads((tmp_path / "demo.json").read_text())

    return run


def counted() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Approval, User, Membership, ActionType, PolicyVersion))


def test_a_second_start_adds_nothing_and_keeps_every_secret(start, tmp_path):
    first, before = start(), counted()
    second = start()

    assert (second, counted()) == (first, before)
    assert stat.S_IMODE((tmp_path / "demo.json").stat().st_mode) == 0o600
    for person in first["people"]:
        assert authenticate(username=person["username"], password=person["password"])
        assert keys.who(person["token"]).user_id == User.objects.get(username=person["username"]).pk
    assert all(keys.who(agent["key"]).agent_name == agent["name"] for agent in first["agents"])


def test_a_lost_file_is_written_again_with_secrets_that_work(start, tmp_path):
    start()
    (tmp_path / "demo.json").unlink()

    again = start()

    ana = next(person for person in again["people"] if person["username"] == "ana")
    assert authenticate(username="ana", password=ana["password"])
    assert keys.who(ana["token"])


def test_what_waits_spans_the_fields_and_the_kinds(start):
    start()
    waiting = list(Approval.objects.filter(status="pending").select_related("proposal"))

    assert len(waiting) >= 12
    assert {one.domain_id for one in waiting} >= {"commerce", "finance", "clinical", "deployment", "education", "legal"}
    assert {one.gate for one in waiting} >= {Gate.HARD, Gate.MANUAL, Gate.CLARIFY}
    assert any(one.flagged for one in waiting)
    assert any(one.proposal.current for one in waiting)
    assert any(one.proposal.alternatives for one in waiting)
    alike = [one for one in waiting if one.action_type_id == "refund" and eligibility.batchable(one)]
    assert len(alike) >= 3


def test_everybody_has_something_to_see_and_the_owner_decides_nothing_of_the_own_agent(start):
    start()
    people = {user.username: user for user in User.objects.all()}
    inbox = {name: access.inbox_of(user).count() for name, user in people.items()}

    assert all(inbox[name] for name in ("chloe", "hugo", "ben", "ana", "dora", "omar", "mia", "otto"))
    assert inbox["ada"] == inbox["root"] == 0
    own = Approval.objects.filter(status="pending", agent__name="support-agent")
    assert not any({"approve", "reject"} & access.actions_for(one, people["omar"]) for one in own)


def test_the_made_up_past_is_settled_varied_and_verifies(start):
    start()
    approvals = Approval.objects.filter(request__key__startswith=past.PREFIX)

    assert not approvals.filter(status__in=["pending", "held"]).exists()
    assert set(approvals.values_list("verdict", flat=True)) >= {"approve", "reject"}
    assert approvals.filter(source="human").exists() and approvals.filter(source="policy").exists()
    assert all(one.created_at < one.decided_at for one in approvals.filter(source="human"))
    verified = seal.verify()
    assert verified.ok, verified.message


def test_runs_stand_in_every_state_and_are_told_once(start):
    start()
    agents = Run.objects.filter(agent__name=courses.AGENT)
    states = dict(with_state(agents, times.now()).filter(key__startswith=courses.PREFIX).values_list("key", "state"))
    waits = with_state(agents, times.now()).get(key=courses.WAITS_IN)

    assert set(states.values()) >= {"stuck", "undoing", "stopped", "undone"}
    assert waits.state == "waiting" and waits.steps.count() == 2 and waits.guidance.exists()
    before = Step.objects.count()
    start()
    assert Step.objects.count() == before


def test_every_variation_fits_the_schema():
    import random

    from approvals.policy.authoring import packs
    from console.demo import patterns

    policy = packs.policy()
    dice = random.Random(3)  # noqa: S311
    for some in patterns.all_patterns([packs.read(name) for name in packs.names()]).values():
        for pattern in some:
            kind = policy.types[pattern.action]
            for args in (
                variety.varied_args(pattern, kind, dice),
                variety.corrected_args(dict(pattern.args), kind, dice),
            ):
                assert not check(kind.schema, args), (pattern.name, args)


def test_the_words_follow_the_numbers():
    before = {"order": "456", "amount": "18400.00", "nested": {"count": 7}}
    after = {"order": "998", "amount": "99.50", "nested": {"count": 9}}

    sentence = variety.adapted_text("Refund 18,400.00 EUR (18400.00) of order 456, 7 of them.", before, after)

    assert sentence == "Refund 99.50 EUR (99.50) of order 998, 9 of them."
    assert Pattern("a", "b", before).args is before
