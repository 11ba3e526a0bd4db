"""`bench evidence` measures the shipped code: its arrays certify what the code certifies, after the same label."""

import numpy as np
import pytest

from console.bench import evidence, report, simulated
from console.bench.figure import Figure
from console.bench.simulated import START
from console.startup.terminal import Refused

CAREERS = {  # with a target that they reach somewhere on the way, and the start of the sequence
    "flat": (evidence.flat(0.05, length=3000), 0.1, None),
    "readers": (evidence.flat(0.05, 0.7, 100, length=3000), 0.15, START),
    "rising": (evidence.rising(length=3000), 0.1, START),
    "drawn": (evidence.drawn_above, 0.3, None),
    "dependent": (evidence.drawn_by_something_else, 0.4, None),
    "changed": (evidence.drawn_otherwise_later, 0.075, START),
    "rules": (evidence.picked_by_rules, 0.1, START),
    "slow": (evidence.slow_incidents, 0.1, None),
    "quick": (evidence.quick_approvals, 0.12, START),
}


@pytest.mark.parametrize("name", CAREERS)
def test_the_arrays_certify_what_the_shipped_code_certifies(name, monkeypatch):
    monkeypatch.setattr(evidence, "DECISIONS", 6000)
    maker, target, start = CAREERS[name]
    career = maker(np.random.default_rng([22, len(name)]))
    lowest, begun = simulated.shipped_certificate(career, target, start)
    certified = simulated.certificates(career, target, start)

    assert lowest is not None
    assert (min(certified), min(certified.values())) == (lowest, begun)


def test_a_drawn_figure_shows_its_standard_error():
    figure = evidence.share("promoted", 40, 1000, most=0.05)

    assert "4.0 ± 0.6 %    at most 5 % and two standard errors: held" in report.table([figure])
    assert "±" not in report.table([Figure("submit", 400, "/s")])


@pytest.mark.parametrize(("hits", "held"), [(63, True), (64, False)])
def test_at_most_leaves_two_standard_errors(hits, held):
    assert evidence.share("promoted", hits, 1000, most=0.05).held is held


def test_no_runs_are_refused():
    with pytest.raises(Refused, match="at least 1"):
        evidence.evidence(runs=0, seed=12)
