"""The demo's fleet has something to sign, and something that is held back."""

import pytest

from approvals.db import times
from approvals.evidence import labels, promotions
from approvals.history import seal
from approvals.models import Breaker, LevelEvidence
from approvals.policy import snapshot
from approvals.policy.authoring import packs
from console.demo import people, trusted
from console.demo.keyring import Keyring

pytestmark = pytest.mark.slow


def test_one_agent_has_earned_its_next_level_and_another_one_is_held_back(db, tmp_path, as_):
    for name in packs.names():
        packs.load(name)
    snapshot.publish(by=None, note="packs")
    cast, agents = people.ensure(Keyring.read(tmp_path))

    assert trusted.play(cast, agents) == trusted.DAYS * trusted.A_DAY
    assert trusted.already_played()
    seal.seal(now=times.now())
    labels.enter_labels()
    promotions.name_gates()

    evidence = LevelEvidence.objects.get()
    assert (evidence.autonomy.agent.name, evidence.wrong, evidence.earned) == ("contract-assistant", 0, True)
    assert str(Breaker.objects.get(closed_at=None)) == "campus-assistant · Message to students"
    page = as_(cast["mia"]).get(f"/fleet/{evidence.autonomy_id}/").content.decode()
    assert "Sign level 3" in page
