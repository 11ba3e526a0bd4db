"""Should a person be asked, and which? A pure function of the proposal, its assessment, the policy and the standing.

The steps run in the order of the table below; the first that settles it ends it, and each says so in words.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from approvals.models.approval import Route
from approvals.models.policy import Gate, Impact, Reversibility, Rule, Strategy
from approvals.policy import checkpoints, shadow, stages, words
from approvals.policy.assess import Assessment, Question, RuleMatch
from approvals.policy.characters import plain
from approvals.policy.checkpoints import Asks
from approvals.policy.codes import (
    COVERED,
    FIXED,
    HIGH_RISK,
    LOW_CONFIDENCE,
    PASSED,
    POLICY_VIOLATION,
    STOPPED,
    WORLD_MOVED,
)
from approvals.policy.covers import NONE, Cover, Granted, Planned
from approvals.policy.scarcity import Shortage
from approvals.policy.schema import Json
from approvals.policy.snapshot import Policy, Stage, TierPolicy, TypePolicy
from approvals.policy.stages import Stages
from approvals.policy.worth import Worth, worth


@dataclass(frozen=True, slots=True)
class Standing:
    """What is in force at once and never versioned: is the agent paused, its level for this action, the breaker.

    `stopped` is its run, `halted` everything there is.
    """

    paused: bool = False
    stopped: bool = False
    halted: bool = False
    level: int = 1
    breaker_open: bool = False
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Routing:
    """Who decides, and how.

    `approvable` False: no verdict may run these arguments as they are. `strict` True: silence must never let it run,
    whatever the action type says of its deadline, because something other than its own strategy asks for a person.
    `step` or `grant` is what it passes by where a person approved it beforehand; whoever stores it takes that use.
    `stages` approve one after the other (empty: all of them in one). `typed`: who approves types a value. `audit`: why
    what passes is looked at afterwards (an Audit.Why), empty for not. `shadowed`: what would have been asked.
    `domain` is whose people decide, or decide first; empty for the action type's own. `scarcity`: what its queue
    lacked, where that refused it or let it pass.
    """

    route: str
    gate: str
    tier: int
    approvers: int
    reason_code: str
    reasons: list[str] = field(default_factory=list)
    approvable: bool = True
    strict: bool = False
    step: Planned | None = None
    grant: Granted | None = None
    stages: tuple[Stage, ...] = ()
    typed: bool = False
    audit: str = ""
    shadowed: Mapping[str, Json] | None = None
    domain: str = ""
    quoted: str = ""  # of an earlier rejection, for the agent alone: a person's words are in no reason
    scarcity: Shortage | None = None

    @property
    def covered(self) -> bool:
        return self.step is not None or self.grant is not None

    def asked(self, domain: str) -> Stages:
        """Who is asked, in order; `domain` is the action type's own."""
        return self.stages or (Stage(self.tier, self.domain or domain, self.approvers),)

    def asking(self, asked: Stages) -> "Routing":
        """The same, asking these one after the other."""
        first = asked[0]
        several = asked if len(asked) > 1 else ()
        return replace(self, tier=first.tier, domain=first.domain, approvers=first.approvers, stages=several)


@dataclass(frozen=True, slots=True)
class _Settled:
    route: str
    code: str
    words: list[str]
    strict: bool = False
    step: Planned | None = None
    grant: Granted | None = None
    quoted: str = ""


def route(
    question: Question, assessment: Assessment, policy: Policy, standing: Standing, cover: Cover = NONE
) -> Routing:
    """Route one proposal: auto, review or reject, with gate, tier, number of approvers, and the reasons in words.

    `cover` is what was approved beforehand that could let it pass. Whether there is room for what would wait is the
    last step, and stands in `scarcity`: it is asked where something arrives, and of nothing that waits already.
    """
    value = worth(question.type, question.args, policy)
    tier, raised = _tier(question, assessment, policy, value)
    steps = filter(None, _steps(question, assessment, value, standing, cover, tier, policy))
    settled = next(step for step in steps if step.route != Route.AUTO or not standing.halted)
    review = settled.route == Route.REVIEW
    # A soft gate runs at the deadline; whatever needs a person's yes cannot wait there.
    gate = Gate.HARD if settled.strict and question.type.gate == Gate.SOFT else question.type.gate
    approvers = max([question.type.approvers, *(match.approvers for match in assessment.matched)])
    passes = settled.route == Route.AUTO
    reasons = list(dict.fromkeys([*settled.words, *_informing(assessment, raised if review else "", passes=passes)]))
    routing = Routing(
        route=settled.route,
        gate=gate,
        tier=tier,
        approvers=approvers,
        reason_code=HIGH_RISK if review and raised and settled.code == FIXED else settled.code,
        reasons=reasons,
        approvable=not question.unchecked,
        strict=settled.strict,
        step=settled.step,
        grant=settled.grant,
        quoted=settled.quoted,
    )
    routing = _staged(routing, question.type, assessment) if review else routing
    return shadow.passed(routing) if shadow.holds(routing, question, assessment, standing) else routing


def _staged(routing: Routing, type: TypePolicy, assessment: Assessment) -> Routing:
    """With the stages and the typed value that rules demand, and how many must approve, in words."""
    [flat] = routing.asked(type.domain)
    asked = stages.asked(type, assessment.matched, flat)
    typed = stages.approves(type) and any(match.typed for match in assessment.matched)
    reasons = list(routing.reasons)
    if len(asked) > 1:
        reasons.append(stages.said(asked))
    elif asked[0].domain != type.domain:
        reasons.append(words.ANOTHER_FIELD.format(tier=asked[0].tier, domain=asked[0].domain))
    if len(asked) == 1 and asked[0].approvers > 1:
        reasons.append(words.SEVERAL.format(approvers=asked[0].approvers))
    if typed and routing.gate != Gate.MANUAL:
        reasons.append(words.TYPED)
    routing = routing if asked == (flat,) else routing.asking(asked)
    return replace(routing, typed=typed, reasons=reasons)


_GATES = (Gate.CLARIFY, Gate.SOFT, Gate.ASYNC, Gate.HARD, Gate.MANUAL)


def strictest(gates: Iterable[str]) -> Gate:
    """The one of several gates that asks the most of whoever approves."""
    return max((Gate(gate) for gate in gates), key=_GATES.index)


def once_more(routing: Routing, before: Stages, *, domain: str, gate: str, typed: bool, reason: str) -> Routing:
    """The route of what people approved before the world moved: they decide again, and `before` says who did.

    What policy refuses meanwhile stays refused; a score too low to be asked about does not undo that people were.
    """
    if routing.route == Route.REJECT and routing.reason_code == POLICY_VIOLATION:
        return routing
    passing = routing.route == Route.AUTO
    asked = stages.both(before, routing.asked(domain))
    # Why a first one would have passed is no reason to ask.
    said = [reason, *([] if passing else routing.reasons), *([stages.said(asked)] if len(asked) > 1 else [])]
    return replace(
        routing.asking(asked),
        route=Route.REVIEW,
        gate=strictest([Gate.HARD if routing.gate == Gate.SOFT else routing.gate, gate]),
        typed=routing.typed or typed,
        reason_code=WORLD_MOVED,
        reasons=list(dict.fromkeys(said)),
        strict=True,
        step=None,  # nor is anything given beforehand used up by it
        grant=None,
        audit="",
        shadowed=None,
    )


def _steps(
    question: Question,
    assessment: Assessment,
    value: Worth,
    standing: Standing,
    cover: Cover,
    tier: int,
    policy: Policy,
) -> Iterator[_Settled | None]:
    """The routing table. Each entry settles it or passes it on; the last always settles it.

    While everything is stopped nothing passes: the last entry is for what otherwise would.
    """
    type = question.type
    lowest = policy.tiers_in(type.domain)[min(policy.tiers)]
    yield _refused(standing)
    yield _blocked(assessment)
    yield _repeated(type, assessment, cover)
    yield _unchecked(question)
    yield _bound(standing)
    yield _lawful(type)
    yield _planned(cover)
    yield _demanded(assessment)
    yield _unvalued(question, value)
    yield _irreversible_or_manual(type)
    yield _deviating(cover)
    yield _granted(type, cover, tier)
    yield _flagged(type, assessment)
    yield _checkpoint(checkpoints.periodic(question, assessment))
    yield _checkpoint(checkpoints.costly(question, assessment, policy.base))
    yield _allowed(assessment)
    yield _free(question, assessment, standing, lowest)
    if standing.level >= 3 or type.strategy == Strategy.CONFIDENCE:
        yield _by_confidence(assessment)
    if type.strategy == Strategy.ALWAYS:
        yield _Settled(Route.REVIEW, FIXED, [words.FIXED])
    yield _Settled(Route.AUTO, PASSED, [words.NOTHING_MATCHED])
    yield _Settled(Route.REVIEW, STOPPED, [words.HALTED], strict=True)


def _refused(standing: Standing) -> _Settled | None:
    if standing.stopped:
        return _Settled(Route.REJECT, POLICY_VIOLATION, [words.STOPPED])
    return _Settled(Route.REJECT, POLICY_VIOLATION, [words.PAUSED]) if standing.paused else None


def _blocked(assessment: Assessment) -> _Settled | None:
    blocking = [match for match in assessment.matched if match.effect == Rule.Effect.BLOCK and not match.failed]
    if not blocking:
        return None
    said = [words.BLOCKED.format(name=match.name, message=match.message) for match in blocking]
    return _Settled(Route.REJECT, POLICY_VIOLATION, said)


def _repeated(type: TypePolicy, assessment: Assessment, cover: Cover) -> _Settled | None:
    """What a person rejected already, where the type says so; never what a person approved beforehand."""
    repeat = assessment.repeat
    if repeat is None or cover.step is not None or cover.grants:
        return None
    if type.most_attempts is not None and repeat.tries >= type.most_attempts:
        said = [words.EXHAUSTED.format(tries=repeat.tries)]
    elif type.answers_repeats and repeat.settled:
        said = [words.ANSWERED.format(**repeat.facts)]
    else:
        return None
    quoted = words.QUOTED.format(message=repeat.message) if repeat.message and repeat.by_person else ""
    return _Settled(Route.REJECT, POLICY_VIOLATION, said, quoted=quoted)


def _unchecked(question: Question) -> _Settled | None:
    if not question.unchecked:
        return None
    return _Settled(Route.REVIEW, POLICY_VIOLATION, [words.UNPARSED], strict=True)


def _bound(standing: Standing) -> _Settled | None:
    if standing.breaker_open:
        return _Settled(Route.REVIEW, HIGH_RISK, [words.BREAKER], strict=True)
    if standing.level <= 1:
        return _Settled(Route.REVIEW, FIXED, [words.LEVEL_ONE], strict=True)
    return None


def _lawful(type: TypePolicy) -> _Settled | None:
    """What the law wants a person for: nothing below lifts it."""
    return _Settled(Route.REVIEW, FIXED, [words.BY_LAW], strict=True) if type.by_law else None


def _planned(cover: Cover) -> _Settled | None:
    """A step of an approved plan was read by a person to the letter, so neither rules nor reversibility ask again."""
    if cover.step is None:
        return None
    said = words.PLANNED.format(plan=cover.step.plan, step=cover.step.number, name=plain(cover.step.step))
    return _Settled(Route.AUTO, COVERED, [said], step=cover.step)


def _deviating(cover: Cover) -> _Settled | None:
    if cover.deviates is None:
        return None
    return _Settled(Route.REVIEW, HIGH_RISK, [words.FLAG.format(text=cover.deviates.text)], strict=True)


def _granted(type: TypePolicy, cover: Cover, tier: int) -> _Settled | None:
    """A standing approval, up to the tier it was given for; never for what several people must approve."""
    if type.approvers > 1:
        return None
    grant = next((one for one in cover.grants if one.tier >= tier), None)
    if grant is None:
        return None
    said = words.GRANTED.format(by=grant.by, day=grant.at.date().isoformat())
    return _Settled(Route.AUTO, COVERED, [said], grant=grant)


def _demanded(assessment: Assessment) -> _Settled | None:
    """A rule that asks for a person: by its effect, by what it asks of people, or because it failed."""
    demanding = [match for match in assessment.matched if match.failed or _demands(match)]
    if not demanding:
        return None
    # The words of every matching rule follow anyway; what settles it comes first.
    return _Settled(Route.REVIEW, HIGH_RISK, [_said(match) for match in demanding], strict=True)


def _demands(match: RuleMatch) -> bool:
    people = match.tier is not None or match.approvers > 1 or match.stages or match.typed
    return match.effect == Rule.Effect.REVIEW or bool(people)


def _unvalued(question: Question, value: Worth) -> _Settled | None:
    if value.unknown_currency:
        text = words.UNKNOWN_CURRENCY.format(currency=question.currency[:12] or "?")
    elif value.unreadable:
        text = words.UNREADABLE_VALUE
    else:
        return None
    return _Settled(Route.REVIEW, HIGH_RISK, [text], strict=True)


def _irreversible_or_manual(type: TypePolicy) -> _Settled | None:
    if type.reversibility == Reversibility.IRREVERSIBLE:
        return _Settled(Route.REVIEW, HIGH_RISK, [words.IRREVERSIBLE], strict=True)
    if type.gate == Gate.MANUAL:
        return _Settled(Route.REVIEW, HIGH_RISK, [words.MANUAL], strict=True)
    return None


def _flagged(type: TypePolicy, assessment: Assessment) -> _Settled | None:
    up = [words.FLAG.format(text=flag.text) for flag in assessment.flags if flag.name in type.flags]
    return _Settled(Route.REVIEW, HIGH_RISK, up, strict=True) if up else None


def _allowed(assessment: Assessment) -> _Settled | None:
    """A rule that lets it pass; all that is stricter was asked before. Never by what an agent says of itself."""
    allowing = [
        match
        for match in assessment.matched
        if match.effect == Rule.Effect.ALLOW and not match.failed and not match.hearsay
    ]
    return _Settled(Route.AUTO, PASSED, [_said(match) for match in allowing]) if allowing else None


def _checkpoint(asks: Asks | None) -> _Settled | None:
    """On top of any strategy, so that silence lets nothing run there."""
    return None if asks is None else _Settled(Route.REVIEW, asks.code, [asks.text], strict=True)


def _free(question: Question, assessment: Assessment, standing: Standing, lowest: TierPolicy) -> _Settled | None:
    """What needs no person, and what level 4 lets pass: reversible, of low impact and within the lowest ceiling.

    Anything else is at level 4 what it is at level 3.
    """
    if question.type.strategy == Strategy.NEVER:
        return _Settled(Route.AUTO, PASSED, [words.NEVER])
    within = question.value is None or lowest.ceiling is None or abs(question.value) <= lowest.ceiling
    harmless = question.type.reversibility == Reversibility.REVERSIBLE and assessment.impact == Impact.LOW
    if standing.level >= 4 and harmless and within:
        return _Settled(Route.AUTO, PASSED, [words.LEVEL_FOUR])
    return None


def _by_confidence(assessment: Assessment) -> _Settled:
    """The bands, "at or above". Our own signals alone must reach the review threshold: nobody talks itself through.

    Want of history alone refuses nobody, or a new agent could never come by any. What was observed refuses nobody and
    lets nobody pass: it only has a person asked about what the composite would let pass.
    """
    composite, score, own = assessment.composite, assessment.score, assessment.own
    auto, review = assessment.thresholds
    if composite is None or score is None or own is None:
        return _Settled(Route.REVIEW, LOW_CONFIDENCE, [words.UNMEASURED])
    said = {"composite": composite, "own": own, "auto": auto, "review": review, "impact": assessment.impact}
    bare = assessment.without_precedent
    if composite < review and bare is not None and bare >= review:
        return _Settled(Route.REVIEW, LOW_CONFIDENCE, [words.NEWCOMER.format(**said)])
    if composite < review:
        return _Settled(Route.REJECT, LOW_CONFIDENCE, [words.TOO_LOW.format(**said)])
    if composite < auto:
        return _Settled(Route.REVIEW, LOW_CONFIDENCE, [words.HESITANT.format(**said)])
    if own < review:
        return _Settled(Route.REVIEW, LOW_CONFIDENCE, [words.UNSUPPORTED.format(**said)])
    seen = assessment.observed
    if seen is not None and score < auto:
        lowered = words.LOWERED.format(**said, share=seen.share, decided=seen.decided, of_agent=seen.own)
        return _Settled(Route.REVIEW, LOW_CONFIDENCE, [lowered])
    return _Settled(Route.AUTO, PASSED, [words.CONFIDENT.format(**said)])


def _tier(question: Question, assessment: Assessment, policy: Policy, value: Worth) -> tuple[int, str]:
    """The highest of the type's tier, the matching rules' and the value's; and the words when the value raised it."""
    tiers = policy.tiers_in(question.type.domain)
    levels = sorted(tiers)
    ruled = max([question.type.tier, *(match.tier for match in assessment.matched if match.tier is not None)])
    if value.unknown_currency or value.unreadable:
        return max(ruled, levels[-1]), ""
    if question.value is None:
        return ruled, ""
    size = abs(question.value)
    by_value, below = levels[0], None
    for level in levels:
        ceiling = tiers[level].ceiling
        by_value = level
        if ceiling is None or size <= ceiling:
            break
        below = tiers[level]
    if by_value <= ruled or below is None:
        return max(ruled, by_value), ""
    text = words.VALUE_RAISES.format(
        value=f"{size:,.2f}", base=policy.base, below=below.level, ceiling=f"{below.ceiling:,.2f}", tier=by_value
    )
    return by_value, text


def _informing(assessment: Assessment, raised: str, *, passes: bool) -> list[str]:
    """What else a reader should know: every matching rule, and the value that raised the tier."""
    shown = [match for match in assessment.matched if match.failed or match.effect != Rule.Effect.BLOCK]
    said = [_said(match, passes=passes) for match in shown]
    return [*said, raised] if raised else said


def _said(match: RuleMatch, *, passes: bool = True) -> str:
    if match.failed:
        return words.RULE_FAILED.format(name=match.name)
    text = words.RULE
    if match.effect == Rule.Effect.ALLOW:
        text = words.HEARSAY if match.hearsay else words.ALLOWED if passes else words.OVERRULED
    return text.format(name=match.name, message=match.message)
