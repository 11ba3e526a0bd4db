"""What an agent hears of looks at what it did: that somebody objected, and nothing else."""

import json

from agents import feed
from approvals import seal, times
from approvals.models import ActionType
from approvals.policy import outcomes, snapshot
from approvals.policy.assess import Question, recall
from approvals.policy.routing import Standing
from tests.afterwards.conftest import fine, object_to
from tests.runs.conftest import KEY


def heard(agent) -> list[tuple[str, dict]]:
    seal.seal(now=times.now())
    told = [(one.name, json.loads(one.data)) for one in feed.read([agent.pk], 0).events]
    return [(name, data) for name, data in told if name in ("objected", "vetoed", "audited")]


def test_the_stream_tells_of_objections_and_vetoes_and_not_of_what_was_fine(noted, labelling, go, robot, alice):
    labelled, good = go("label", key="b"), go("label", key="c", order="3")
    fine(good, by=alice)
    object_to(labelled, by=alice)
    object_to(noted, by=alice)

    found = heard(robot)
    assert [(name, data["request"]) for name, data in found] == [
        ("objected", str(labelled.pause_id)),
        ("vetoed", str(noted.pause_id)),
    ]
    assert found[0][1]["permit"] == "taken back"


def test_a_rehearsal_says_what_would_have_gone_ahead(labelling, go, robot):
    approval = go("label")
    before = snapshot.current()
    ActionType.objects.update(ahead="waits")
    snapshot.publish(by=None, note="it waits again")
    after = snapshot.current()

    def sent(policy):
        kind = policy.types["label"]
        question = Question(
            kind, robot.pk, "robot", approval.proposal.args, approval.digest, approval.created_at, run=KEY
        )
        return outcomes.outcome(question, recall(question, approval.assessment), policy, Standing(level=2))

    assert outcomes.kind_of(sent(after), sent(before)) == "review_auto"
    assert outcomes.loosens(sent(after), sent(before))
