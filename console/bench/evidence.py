"""How often the claims of approvals/evidence/guarantees are wrong, and how soon they are made, on made-up careers."""

import math
from collections.abc import Callable, Iterator

import numpy as np

from approvals.evidence.guarantees import CatchRate, Decline, Promotion, labels_needed, may_lose_gate
from approvals.evidence.guarantees.evalues import Tally
from approvals.evidence.guarantees.levels import DECLINE_BETS
from console.bench import simulated
from console.bench.figure import Figure
from console.bench.simulated import START, Career, Chance, Counts, Flags, Floats
from console.startup.terminal import Refused, phase

DECISIONS = 20_000
SHIPPED = 3  # careers of each measurement that the shipped code runs through, too
Maker = Callable[[Chance], Career]


def share(name: str, hits: int, runs: int, *, least: float | None = None, most: float | None = None) -> Figure:
    """How many of so many runs, in per cent; `most` with two standard errors of leave."""
    value = hits / runs
    error = math.sqrt(max(value * (1 - value), 1 / runs / 4) / runs)
    if least is not None:
        return Figure(name, 100 * value, "%", f"at least {100 * least:g} %", value >= least, 100 * error)
    if most is None:
        return Figure(name, 100 * value, "%", error=100 * error)
    leave = 2 * math.sqrt(most * (1 - most) / runs)
    bound = f"at most {100 * most:g} % and two standard errors"
    return Figure(name, 100 * value, "%", bound, value <= most + leave, 100 * error)


def flat(error: float, caught: float = 1.0, cases: int = 0, length: int = DECISIONS) -> Maker:
    """As wrong at every score; readers who catch so many of the faults, with so many seeded faults at the start."""

    def career(chance: Chance) -> Career:
        wrong = chance.random(length) < error * caught
        made = simulated.all_read(simulated.scores_of(chance, length), wrong)
        return Career(made.scores, wrong, made.shares, made.drawn, seeded=_seeded(chance, caught, cases))

    return career


def rising(scale: float = 1.0, caught: float = 1.0, cases: int = 0, length: int = DECISIONS) -> Maker:
    """Less wrong the higher the score."""

    def career(chance: Chance) -> Career:
        scores = simulated.scores_of(chance, length)
        wrong = chance.random(length) < scale * caught * simulated.error_at(scores)
        made = simulated.all_read(scores, wrong)
        return Career(scores, wrong, made.shares, made.drawn, seeded=_seeded(chance, caught, cases))

    return career


def _seeded(chance: Chance, caught: float, cases: int) -> Flags | None:
    return chance.random(cases) < caught if cases else None


def drawn_above(chance: Chance) -> Career:
    """Everything below 0.80 is read, and 5 % of what is above."""
    scores = simulated.scores_of(chance, DECISIONS)
    shares = np.where(scores >= 0.8, 0.05, 1.0)
    return simulated.by_share(chance, scores, chance.random(DECISIONS) < 0.05, shares)


def drawn_by_something_else(chance: Chance) -> Career:
    """60 % at share 1 with 1 % wrong, 40 % at share 0.05 with 20 % wrong: 8.6 % in all, at every score."""
    easy = chance.random(DECISIONS) < 0.6
    wrong = chance.random(DECISIONS) < np.where(easy, 0.01, 0.2)
    scores = simulated.scores_of(chance, DECISIONS)
    return simulated.by_share(chance, scores, wrong, np.where(easy, 1.0, 0.05))


def drawn_otherwise_later(chance: Chance) -> Career:
    """The share is changed from 1 to 0.2 after 1,000 decisions."""
    scores = simulated.scores_of(chance, DECISIONS)
    shares = np.where(np.arange(DECISIONS) < 1000, 1.0, 0.2)
    return simulated.by_share(chance, scores, chance.random(DECISIONS) < 0.05, shares)


def picked_by_rules(chance: Chance) -> Career:
    """Rules and flags pick 30 %, of which 1 in 200 is wrong: read, but outside the population."""
    picked = chance.random(DECISIONS) < 0.3
    scores, wrong = simulated.scores_of(chance, DECISIONS), chance.random(DECISIONS) < np.where(picked, 0.005, 0.05)
    return simulated.all_read(scores[~picked], wrong[~picked])


def slow_incidents(chance: Chance) -> Career:
    """Half of the faults come to light within 500 decisions; what is right enters when those are over."""
    wrong = chance.random(DECISIONS) < 0.05
    slow = wrong & (chance.random(DECISIONS) < 0.5)
    wait = np.where(slow, chance.integers(1, 500, DECISIONS), np.where(wrong, 0, 500))
    order = np.argsort(np.arange(DECISIONS) + wait, kind="stable")
    return simulated.all_read(simulated.scores_of(chance, DECISIONS)[order], wrong[order])


def quick_approvals(chance: Chance) -> Career:
    """2 % are approved unread, faults among them: wrong until half of them are read, 200 decisions later."""
    wrong, quick = chance.random(DECISIONS) < 0.05, chance.random(DECISIONS) < 0.02
    read = np.flatnonzero(quick & ~wrong & (chance.random(DECISIONS) < 0.5))
    read = read[read < DECISIONS - 200]
    corrects = np.full(DECISIONS, -1)
    corrects[read + 200] = read
    made = simulated.all_read(simulated.scores_of(chance, DECISIONS), wrong | quick)
    return Career(made.scores, made.wrong, made.shares, made.drawn, corrects=corrects)


def thresholds(runs: int, seed: int) -> Iterator[Figure]:
    """How often a threshold is certified though the error rate is at the target or above at each that is tried."""
    at_start = simulated.selective_error(START)
    cells: list[tuple[str, Maker, float, float | None]] = []
    for target in (0.01, 0.02, 0.05):
        cells += [
            (f"{100 * target:g} % wrong at every score, no order", flat(target), target, None),
            (f"{100 * target:g} % wrong at every score, in sequence", flat(target), target, START),
            (f"{100 * target:g} % wrong from 0.90 on, in sequence", rising(target / at_start), target, START),
        ]
    cells += [
        (f"readers catch {100 * caught:g} %, 100 seeded faults, {name}", flat(0.05, caught, 100), 0.05, start)
        for caught in (0.9, 0.7, 0.5)
        for name, start in (("no order", None), ("in sequence", START))
    ]
    cells += [
        ("5 % drawn above 0.80, no order", drawn_above, 0.05, None),
        ("5 % drawn above 0.80, in sequence", drawn_above, 0.05, START),
        ("shares that depend on quality, 8.6 % wrong, bar 8.6 %", drawn_by_something_else, 0.086, None),
        ("shares that depend on quality, 8.6 % wrong, bar 5 %", drawn_by_something_else, 0.05, None),
        ("share changed on the way, in sequence", drawn_otherwise_later, 0.05, START),
        ("rules and flags pick others, no order", picked_by_rules, 0.05, None),
        ("slow incidents, no order", slow_incidents, 0.05, None),
        ("quick approvals, no order", quick_approvals, 0.05, None),
    ]
    for number, (name, maker, target, start) in enumerate(cells):
        false = 0
        for run in range(runs):
            career = maker(np.random.default_rng([seed, number, run]))
            certified = simulated.certificates(career, target, start)
            false += bool(certified)
            if run < SHIPPED:
                _hold_against_shipped(career, target, start, certified)
        yield share(f"false threshold: {name}", false, runs, most=0.05)


def power(runs: int, seed: int) -> Iterator[Figure]:
    """How soon a threshold is certified for an agent that is good at high scores."""
    oracle = min(low for low in simulated.GRID if simulated.selective_error(low) <= 0.05)
    passed: list[float] = []
    soon = late = careless = 0
    for run in range(runs):
        career = rising(length=10_000)(np.random.default_rng([seed, 100, run]))
        certified = simulated.certificates(career, 0.05, START)
        begun = min(certified.values(), default=10_000)
        soon, late = soon + (begun < 3000), late + (begun < 10_000)
        passed.append(simulated.let_through(min(certified)) / simulated.let_through(oracle) if certified else 0)
        seen = rising(caught=0.9, cases=300, length=10_000)(np.random.default_rng([seed, 101, run]))
        with_catch = simulated.certificates(seen, 0.05, START)
        careless += bool(with_catch)
        if run < SHIPPED:
            _hold_against_shipped(career, 0.05, START, certified)
            _hold_against_shipped(seen, 0.05, START, with_catch)
    mean, error = float(np.mean(passed)), float(np.std(passed)) / math.sqrt(runs)
    yield share("certificate after 3,000 labels", soon, runs, least=0.7)
    yield share("certificate after 10,000 labels", late, runs, least=0.97)
    yield Figure(
        "let through after 10,000, of the oracle's", 100 * mean, "%", "at least 83 %", mean >= 0.83, 100 * error
    )
    yield share("certificate after 10,000, 90 % caught, 300 seeded", careless, runs, least=0.75)


def _hold_against_shipped(career: Career, target: float, start: float | None, certified: dict[float, int]) -> None:
    arrays = min(certified, default=None), min(certified.values(), default=career.length)
    shipped = simulated.shipped_certificate(career, target, start)
    if arrays != shipped:
        raise Refused(f"the arrays certify {arrays}, the shipped code {shipped}")


def estimates(runs: int, seed: int) -> Iterator[Figure]:
    """Whether the estimated error rate is right on average, in standard errors."""
    for number, (name, maker, truth) in enumerate(
        [("5 % drawn above 0.80", drawn_above, 0.05), ("shares that depend on quality", drawn_by_something_else, 0.086)]
    ):
        rates = []
        for run in range(runs):
            career = maker(np.random.default_rng([seed, 200 + number, run]))
            rates.append(float(((career.wrong & career.drawn) / career.shares).mean()))
            if run < SHIPPED:
                tally = Tally(fewest=DECISIONS)
                for wrong, share, drawn in zip(career.wrong, career.shares, career.drawn, strict=True):
                    if drawn:
                        tally.see(wrong=bool(wrong), share=float(share))
                    else:
                        tally.pass_unseen(share=float(share))
                if tally.rate is None or not math.isclose(tally.rate, rates[-1], rel_tol=1e-9):
                    raise Refused(f"the arrays estimate {rates[-1]}, the shipped code {tally.rate}")
        away = (float(np.mean(rates)) - truth) / (float(np.std(rates)) / math.sqrt(runs))
        yield Figure(f"estimate, {name}, from the truth", abs(away), "se", "at most 3", abs(away) <= 3)


def promotions(runs: int, seed: int) -> Iterator[Figure]:
    """How many careers earn a promotion; ten times as many for the agent that must not."""
    for name, error, decisions, careers, least in (
        ("exactly at the bar, 2,000 looks", 0.05, 2000, 10 * runs, None),
        ("1 % wrong at a bar of 5 %, 250 decisions", 0.01, 250, runs, 0.9),
        ("2 % wrong at a bar of 5 %, 600 decisions", 0.02, 600, runs, 0.9),
    ):
        earned = 0
        chance = np.random.default_rng([seed, 300, decisions])
        for _ in range(0, careers, 100):
            wrong = chance.random((100, decisions)) < error
            labels = np.broadcast_to(np.arange(1, decisions + 1), wrong.shape)
            reached = simulated.closed_reaches(labels, simulated.counted(wrong), 0.05, 20)
            earned += int(np.count_nonzero(reached.any(axis=1)))
            promotion = Promotion(bar=0.05)
            for label in wrong[0].tolist():
                promotion.see(wrong=label)
            if promotion.earned != reached[0].any():
                raise Refused("the arrays promote where the shipped code does not, or the reverse")
        most = 0.05 if least is None else None
        yield share(f"promoted: {name}", earned, -(-careers // 100) * 100, least=least, most=most)


def declines(runs: int, seed: int) -> Iterator[Figure]:
    """How long until the detector raises an alarm, at the bar, below it and after a turn."""
    chance = np.random.default_rng([seed, 400])
    lengths = _alarms(chance, np.full(runs, 0.05), limit=1_000_000)
    mean, error = float(lengths.mean()), float(lengths.std()) / math.sqrt(runs)
    yield Figure("mean run to a false alarm at the bar", mean, "labels", "at least 10,000", mean >= 10_000, error)
    early = int((_alarms(chance, np.full(runs, 0.02), limit=10_000) < 10_000).sum())
    yield share("alarms within 10,000 at 2 % wrong", early, runs, most=0.01)
    for after, errors in ((0.2, 16), (0.1, 48)):
        for drawn in (1.0, 0.05):
            stopped = sum(
                _stopped_within(np.random.default_rng([seed, 401, int(100 * after), run]), after, errors, drawn)
                for run in range(runs)
            )
            name = f"turn from 2 % to {100 * after:g} % stopped within {errors} labelled errors, share {drawn:g}"
            yield share(name, stopped, runs, least=0.95)


def _alarms(chance: Chance, errors: Floats, limit: int) -> Counts:
    """After how many labels each of the careers has its alarm; the first is held against the shipped code."""
    bets = np.array(DECLINE_BETS)[:, None] / 0.05
    evidence, lengths = np.zeros((len(bets), len(errors))), np.full(len(errors), limit)
    shipped, shipped_length = Decline(bar=0.05), limit
    for step in range(1, limit + 1):
        wrong = chance.random(len(errors)) < errors
        evidence = (evidence + 1) * (1 + bets * (wrong - 0.05))
        lengths[(evidence.mean(axis=0) >= 10_000) & (lengths == limit)] = step
        if not shipped.alarm:
            shipped.see(wrong=bool(wrong[0]))
            shipped_length = step if shipped.alarm else limit
        if (lengths < limit).all():
            break
    if shipped_length != lengths[0]:
        raise Refused(f"the arrays alarm after {lengths[0]}, the shipped code after {shipped_length}")
    return lengths


def _stopped_within(chance: Chance, after: float, errors: int, drawn: float) -> bool:
    """Whether the shipped detector stops it by the last of so many labelled errors, after 1,000 good decisions."""
    decline = Decline(bar=0.05)
    for wrong in (chance.random(1000) < 0.02).tolist():
        decline.see(wrong=wrong, share=drawn)
    if decline.alarm:
        return False
    while errors and not decline.alarm:
        wrong = bool(chance.random() < after)
        errors -= wrong
        decline.see(wrong=wrong, share=drawn)
        if drawn < 1:
            decline.pass_unseen(share=drawn)
    return decline.alarm


def fleet(runs: int, seed: int) -> Iterator[Figure]:
    """Of 200 cells, 150 at the bar and 50 with 1 % wrong: which may lose their gate, after 400 labels each."""
    chance = np.random.default_rng([seed, 500])
    e_of: dict[int, float] = {}
    false, named_good = [], []
    for _ in range(runs):
        wrong = chance.binomial(400, np.repeat([0.05, 0.01], [150, 50]))
        for faults in set(wrong.tolist()) - e_of.keys():
            promotion = Promotion(bar=0.05)
            for number in range(400):
                promotion.see(wrong=number < faults)
            e_of[faults] = promotion.e
        named = may_lose_gate([e_of[faults] for faults in wrong.tolist()])
        false.append(sum(cell < 150 for cell in named) / max(len(named), 1))
        named_good.append(sum(cell >= 150 for cell in named) / 50)
    rate, power_ = float(np.mean(false)), float(np.mean(named_good))
    errors = [100 * float(np.std(shares)) / math.sqrt(runs) for shares in (false, named_good)]
    yield Figure("may lose the gate: false discoveries", 100 * rate, "%", "at most 5 %", rate <= 0.05, errors[0])
    yield Figure("may lose the gate: good cells named", 100 * power_, "%", "at least 80 %", power_ >= 0.8, errors[1])


def needed(runs: int, seed: int) -> Iterator[Figure]:
    """How many fair labels without a fault it takes. Nothing is drawn here."""
    rate = CatchRate()
    for number in range(100):
        rate.see(caught=number >= 10)
    for name, count, goal in (
        ("5 %", labels_needed(), 88),
        ("5 %, as one of ten thresholds", labels_needed(thresholds=10), 142),
        ("5 %, 90 of 100 seeded faults caught", labels_needed(catch_floor=rate), 135),
        ("2 %", labels_needed(0.02), 224),
        ("1 %", labels_needed(0.01), 449),
    ):
        yield Figure(f"labels needed for {name}", count or 0, "labels", f"{goal}", count == goal)


CELLS: tuple[Callable[[int, int], Iterator[Figure]], ...] = (
    needed,
    thresholds,
    power,
    estimates,
    promotions,
    declines,
    fleet,
)


def evidence(runs: int, seed: int) -> list[Figure]:
    """All of it, so many runs each. Raises Refused for none, or where arrays and shipped code differ."""
    if runs < 1:
        raise Refused("--runs is at least 1")
    figures: list[Figure] = []
    for cell in CELLS:
        with phase(f"{cell.__name__}, seed {seed}") as far:
            for figure in cell(runs, seed):
                figures.append(figure)
                far(f"{len(figures)}")
    return figures
