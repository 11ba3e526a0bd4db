"""Counters as the tests of the statistics need them."""

import json

from hypothesis import settings

from approvals.evidence.guarantees import CatchRate
from approvals.evidence.guarantees.evalues import Tally

GRID = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
SHARES = (1.0, 0.5, 0.05)
STEADY = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def catch_rate(cases: int, caught: int, delta: float = 0.025) -> CatchRate:
    rate = CatchRate(delta)
    for number in range(cases):
        rate.see(caught=number < caught)
    return rate


def tally_of(labels: list[tuple[bool, float]], fewest: int = 1000) -> Tally:
    tally = Tally(fewest=fewest)
    for wrong, share in labels:
        tally.see(wrong=wrong, share=share)
    return tally


def through_json(state):
    return json.loads(json.dumps(state))
