"""What an agent hears of looks at what it did: that somebody objected, and nothing else."""

import json

from agents import feed
from approvals.db import times
from approvals.history import seal
from approvals.models import ActionType
from approvals.policy import snapshot
from approvals.policy.assessment import EvaluationInput, recall
from approvals.policy.authoring import rehearsed_routes
from approvals.policy.routing_decision import AgentStanding
from tests.post_review.conftest import flag_problem, mark_fine
from tests.runs.conftest import KEY


def review_events(agent) -> list[tuple[str, dict]]:
    seal.seal(now=times.now())
    events = [(one.name, json.loads(one.data)) for one in feed.read([agent.pk], 0).events]
    return [(name, data) for name, data in events if name in ("flagged", "vetoed", "reviewed")]


def test_the_stream_tells_of_objections_and_vetoes_and_not_of_what_was_fine(
    vetoable, optimistic_type, propose_in_run, robot, alice
):
    labelled, good = propose_in_run("label", key="b"), propose_in_run("label", key="c", order="3")
    mark_fine(good, by=alice)
    flag_problem(labelled, by=alice)
    flag_problem(vetoable, by=alice)

    events = review_events(robot)
    assert [(name, data["request"]) for name, data in events] == [
        ("flagged", str(labelled.request_id)),
        ("vetoed", str(vetoable.request_id)),
    ]
    assert events[0][1]["permit"] == "taken back"


def test_a_rehearsal_says_what_would_have_gone_ahead(optimistic_type, propose_in_run, robot):
    approval = propose_in_run("label")
    before = snapshot.current()
    ActionType.objects.update(runs_before_review="waits")
    snapshot.publish(by=None, note="it waits again")
    after = snapshot.current()

    def sent(policy):
        kind = policy.types["label"]
        question = EvaluationInput(
            kind, robot.pk, "robot", approval.proposal.args, approval.digest, approval.created_at, run=KEY
        )
        return rehearsed_routes.outcome(question, recall(question, approval.assessment), policy, AgentStanding(level=2))

    assert rehearsed_routes.movement_of(sent(after), sent(before)) == "review_auto"
    assert rehearsed_routes.loosens(sent(after), sent(before))
