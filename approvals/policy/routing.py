"""Should a person be asked, and which? A pure function of the proposal, its assessment, the policy and the standing.

The steps run in the order of the table below; the first that settles it ends it, and each gives its reason.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from approvals.models.policy import Gate, Impact, Reversibility, Strategy
from approvals.models.rule import Rule
from approvals.models.states import Route
from approvals.policy import checkpoints, flag_reasons, reasons, shadow, stages
from approvals.policy.assessed import Assessment, RuleMatch
from approvals.policy.certified import Certified
from approvals.policy.checkpoints import CheckpointReason
from approvals.policy.compiled_policy import Policy, TierPolicy, TypePolicy
from approvals.policy.evaluation_input import EvaluationInput
from approvals.policy.pre_approvals import NONE, ApprovedStep, PreApproval, StandingApproval
from approvals.policy.reasons import Reason
from approvals.policy.routing_codes import (
    FIXED,
    HIGH_RISK,
    LOW_CONFIDENCE,
    PASSED,
    POLICY_VIOLATION,
    PRE_APPROVED,
    STOPPED,
    WORLD_MOVED,
)
from approvals.policy.routing_decision import AgentStanding, Routing
from approvals.policy.stages import Stages
from approvals.policy.worth import Worth, worth
from approvals.values.characters import plain


@dataclass(frozen=True, slots=True)
class _Choice:
    route: str
    code: str
    reasons: Sequence[Reason]
    strict: bool = False
    step: ApprovedStep | None = None
    grant: StandingApproval | None = None
    quoted: str = ""
    by_standing: bool = False  # the agent's level or breaker, whatever is proposed
    by_strategy: bool = False  # nothing but score, level or strategy settles it
    certified: Certified | None = None


def route(
    question: EvaluationInput,
    assessment: Assessment,
    policy: Policy,
    standing: AgentStanding,
    cover: PreApproval = NONE,
) -> Routing:
    """Route one proposal: auto, review or reject, with gate, tier, number of approvers, and the reasons.

    `cover` is what was approved beforehand that could let it pass. Whether there is room for what would wait is the
    last step, and stands in `shortage`: it is asked where something arrives, and of nothing that waits already.
    """
    value = worth(question.type, question.args, policy)
    tier, raised = _tier(question, assessment, policy, value)
    steps = list(filter(None, _routing_table(question, assessment, value, standing, cover, tier, policy)))
    settled = next(step for step in steps if step.route != Route.AUTO or not standing.halted)
    review = settled.route == Route.REVIEW
    # A soft gate runs at the deadline; whatever needs a person's yes cannot wait there.
    gate = Gate.HARD if settled.strict and question.type.gate == Gate.SOFT else question.type.gate
    approvers = max([question.type.approvers, *(match.approvers for match in assessment.matched)])
    passes = settled.route == Route.AUTO
    routing = Routing(
        route=settled.route,
        gate=gate,
        tier=tier,
        approvers=approvers,
        reason_code=HIGH_RISK if review and raised and settled.code == FIXED else settled.code,
        reasons=reasons.unique(
            [*settled.reasons, *_further_reasons(assessment, raised if review else None, passes=passes)]
        ),
        approvable=not question.unchecked,
        strict=settled.strict,
        step=settled.step,
        grant=settled.grant,
        quoted_message=settled.quoted,
        # Whoever sees it, at any level: what else settles it would settle it at every other one, too.
        in_population=next(step for step in steps if not step.by_standing).by_strategy,
        certified=settled.certified,
    )
    routing = _staged(routing, question.type, assessment) if review else routing
    return shadow.let_through(routing) if shadow.applies(routing, question, assessment, standing) else routing


def _staged(routing: Routing, type: TypePolicy, assessment: Assessment) -> Routing:
    """With the stages and the typed value that rules demand, and how many must approve."""
    [flat] = routing.required_stages(type.domain)
    required_stages = stages.required_stages_for(type, assessment.matched, flat)
    typed = stages.approves(type) and any(match.typed for match in assessment.matched)
    all_reasons = [*routing.reasons, *stages.reasons_of(required_stages)]
    if len(required_stages) == 1 and required_stages[0].domain != type.domain:
        all_reasons.append(reasons.AnotherDomain(required_stages[0].tier, required_stages[0].domain))
    if len(required_stages) == 1 and required_stages[0].approvers > 1:
        all_reasons.append(reasons.SeveralPeople(required_stages[0].approvers))
    if typed and routing.gate != Gate.MANUAL:
        all_reasons.append(reasons.TypedConfirmation())
    routing = routing if required_stages == (flat,) else routing.asking(required_stages)
    return replace(routing, typed=typed, reasons=all_reasons)


_GATES = (Gate.CLARIFY, Gate.SOFT, Gate.ASYNC, Gate.HARD, Gate.MANUAL)


def strictest(gates: Iterable[str]) -> Gate:
    """The one of several gates that asks the most of whoever approves."""
    return max((Gate(gate) for gate in gates), key=_GATES.index)


def reroute(routing: Routing, before: Stages, *, domain: str, gate: str, typed: bool, reason: Reason) -> Routing:
    """The route of what people approved before the world moved: they decide again, and `before` says who did.

    What policy refuses meanwhile stays refused; a score too low to be asked about does not undo that people were.
    """
    if routing.route == Route.REJECT and routing.reason_code == POLICY_VIOLATION:
        return routing
    passing = routing.route == Route.AUTO
    required_stages = stages.merged_with(before, routing.required_stages(domain))
    # Why a first one would have passed is no reason to ask.
    all_reasons = [reason, *([] if passing else routing.reasons), *stages.reasons_of(required_stages)]
    return replace(
        routing.asking(required_stages),
        route=Route.REVIEW,
        gate=strictest([Gate.HARD if routing.gate == Gate.SOFT else routing.gate, gate]),
        typed=routing.typed or typed,
        reason_code=WORLD_MOVED,
        reasons=reasons.unique(all_reasons),
        strict=True,
        step=None,  # nor is anything given beforehand used up by it
        grant=None,
        post_review="",
        shadowed=None,
        in_population=False,
        certified=None,
    )


def _routing_table(
    question: EvaluationInput,
    assessment: Assessment,
    value: Worth,
    standing: AgentStanding,
    cover: PreApproval,
    tier: int,
    policy: Policy,
) -> Iterator[_Choice | None]:
    """The routing table. Each entry settles it or passes it on; the last always settles it.

    While everything is stopped nothing passes: the last entry is for what otherwise would.
    """
    type = question.type
    lowest = policy.tiers_in(type.domain)[min(policy.tiers)]
    level = standing.level_in(assessment.impact)
    yield _stopped_or_paused(standing)
    yield _blocked(assessment)
    yield _repeated(type, assessment, cover)
    yield _unparsed(question)
    yield _breaker_or_level_one(standing, level)
    yield _required_by_law(type)
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
    yield _needs_no_person(question, assessment, level, lowest)
    if level >= 3 or type.strategy == Strategy.CONFIDENCE:
        yield replace(_by_confidence(type, assessment, standing), by_strategy=True)
    if type.strategy == Strategy.ALWAYS:
        yield _Choice(Route.REVIEW, FIXED, [reasons.AlwaysAsks()], by_strategy=True)
    yield _Choice(Route.AUTO, PASSED, [reasons.NothingAsks()], by_strategy=True)
    yield _Choice(Route.REVIEW, STOPPED, [reasons.EverythingStopped()], strict=True)


def _stopped_or_paused(standing: AgentStanding) -> _Choice | None:
    if standing.stopped:
        return _Choice(Route.REJECT, POLICY_VIOLATION, [reasons.RunStopped()])
    return _Choice(Route.REJECT, POLICY_VIOLATION, [reasons.AgentPaused()]) if standing.paused else None


def _blocked(assessment: Assessment) -> _Choice | None:
    blocking = [match for match in assessment.matched if match.effect == Rule.Effect.BLOCK and not match.failed]
    if not blocking:
        return None
    refusals = [reasons.RuleRefuses(match.name, match.message) for match in blocking]
    return _Choice(Route.REJECT, POLICY_VIOLATION, refusals)


def _repeated(type: TypePolicy, assessment: Assessment, cover: PreApproval) -> _Choice | None:
    """What a person rejected already, where the type says so; never what a person approved beforehand."""
    repeat = assessment.repeat
    if repeat is None or cover.step is not None or cover.grants:
        return None
    if type.most_attempts is not None and repeat.tries >= type.most_attempts:
        reason: Reason = reasons.AttemptsExhausted(repeat.tries)
    elif type.rejects_repeats and repeat.settled:
        reason = reasons.AnsweredBefore(repeat.day, repeat.reason, tuple(plain(path) for path in repeat.changed))
    else:
        return None
    quoted = repeat.message if repeat.by_person else ""
    return _Choice(Route.REJECT, POLICY_VIOLATION, [reason], quoted=quoted)


def _unparsed(question: EvaluationInput) -> _Choice | None:
    if not question.unchecked:
        return None
    return _Choice(Route.REVIEW, POLICY_VIOLATION, [reasons.ArgumentsUnparsed()], strict=True)


def _breaker_or_level_one(standing: AgentStanding, level: int) -> _Choice | None:
    if standing.breaker_open:
        return _Choice(Route.REVIEW, HIGH_RISK, [reasons.BreakerOpen()], strict=True, by_standing=True)
    if level <= 1:
        return _Choice(Route.REVIEW, FIXED, [reasons.LevelOne()], strict=True, by_standing=True)
    return None


def _required_by_law(type: TypePolicy) -> _Choice | None:
    """What the law wants a person for: nothing below lifts it."""
    return _Choice(Route.REVIEW, FIXED, [reasons.RequiredByLaw()], strict=True) if type.by_law else None


def _planned(cover: PreApproval) -> _Choice | None:
    """A step of an approved plan was read by a person to the letter, so neither rules nor reversibility ask again."""
    if cover.step is None:
        return None
    reason = reasons.PlannedStepApproved(cover.step.plan, cover.step.number, plain(cover.step.step))
    return _Choice(Route.AUTO, PRE_APPROVED, [reason], step=cover.step)


def _deviating(cover: PreApproval) -> _Choice | None:
    if cover.deviation is None:
        return None
    return _Choice(Route.REVIEW, HIGH_RISK, [flag_reasons.Flagged(cover.deviation)], strict=True)


def _granted(type: TypePolicy, cover: PreApproval, tier: int) -> _Choice | None:
    """A standing approval, up to the tier it was given for; never for what several people must approve."""
    if type.approvers > 1:
        return None
    grant = next((one for one in cover.grants if one.tier >= tier), None)
    if grant is None:
        return None
    reason = reasons.StandingApprovalGiven(grant.by, grant.at.date())
    return _Choice(Route.AUTO, PRE_APPROVED, [reason], grant=grant)


def _demanded(assessment: Assessment) -> _Choice | None:
    """A rule that asks for a person: by its effect, by what it asks of people, or because it failed."""
    demanding = [match for match in assessment.matched if match.failed or _demands(match)]
    if not demanding:
        return None
    # Every matching rule follows anyway; what settles it comes first.
    return _Choice(Route.REVIEW, HIGH_RISK, [_rule_reason(match) for match in demanding], strict=True)


def _demands(match: RuleMatch) -> bool:
    people = match.tier is not None or match.approvers > 1 or match.stages or match.typed
    return match.effect == Rule.Effect.REVIEW or bool(people)


def _unvalued(question: EvaluationInput, value: Worth) -> _Choice | None:
    if value.unknown_currency:
        reason: Reason = reasons.UnknownCurrency(question.currency[:12] or "?")
    elif value.unreadable:
        reason = reasons.UnreadableValue()
    else:
        return None
    return _Choice(Route.REVIEW, HIGH_RISK, [reason], strict=True)


def _irreversible_or_manual(type: TypePolicy) -> _Choice | None:
    if type.reversibility == Reversibility.IRREVERSIBLE:
        return _Choice(Route.REVIEW, HIGH_RISK, [reasons.CannotBeUndone()], strict=True)
    if type.gate == Gate.MANUAL:
        return _Choice(Route.REVIEW, HIGH_RISK, [reasons.TypedAndSignedIn()], strict=True)
    return None


def _flagged(type: TypePolicy, assessment: Assessment) -> _Choice | None:
    up = [flag_reasons.Flagged(flag) for flag in assessment.flags if flag.name in type.flags]
    return _Choice(Route.REVIEW, HIGH_RISK, up, strict=True) if up else None


def _allowed(assessment: Assessment) -> _Choice | None:
    """A rule that lets it pass; all that is stricter was asked before. Never by what an agent says of itself."""
    allowing = [
        match
        for match in assessment.matched
        if match.effect == Rule.Effect.ALLOW and not match.failed and not match.uses_stated
    ]
    return _Choice(Route.AUTO, PASSED, [_rule_reason(match) for match in allowing]) if allowing else None


def _checkpoint(asks: CheckpointReason | None) -> _Choice | None:
    """On top of any strategy, so that silence lets nothing run there."""
    return None if asks is None else _Choice(Route.REVIEW, asks.code, [asks.reason], strict=True)


def _needs_no_person(
    question: EvaluationInput, assessment: Assessment, level: int, lowest: TierPolicy
) -> _Choice | None:
    """What needs no person, and what level 4 lets pass: reversible, of low impact and within the lowest ceiling.

    Anything else is at level 4 what it is at level 3.
    """
    if question.type.strategy == Strategy.NEVER:
        return _Choice(Route.AUTO, PASSED, [reasons.NeedsNoPerson()], by_strategy=True)
    within = question.value is None or lowest.ceiling is None or abs(question.value) <= lowest.ceiling
    harmless = question.type.reversibility == Reversibility.REVERSIBLE and assessment.impact == Impact.LOW
    if level >= 4 and harmless and within:
        return _Choice(Route.AUTO, PASSED, [reasons.LevelFour()], by_strategy=True)
    return None


def _by_confidence(type: TypePolicy, assessment: Assessment, standing: AgentStanding) -> _Choice:
    """The bands, "at or above". Our own signals alone must reach the review threshold: nobody talks itself through.

    Want of history alone refuses nobody, or a new agent could never come by any. What was observed refuses nobody and
    lets nobody pass: it only has a person asked about what the composite would let pass.
    """
    composite, score, own = assessment.composite, assessment.score, assessment.own
    auto, review = assessment.thresholds
    if composite is None or score is None or own is None:
        return _Choice(Route.REVIEW, LOW_CONFIDENCE, [reasons.ConfidenceUnmeasured()])
    facts = composite, own, auto, review, assessment.impact
    bare = assessment.without_precedent
    if composite < review and bare is not None and bare >= review:
        return _Choice(Route.REVIEW, LOW_CONFIDENCE, [reasons.ConfidenceOfNewcomer(*facts)])
    if composite < review:
        return _Choice(Route.REJECT, LOW_CONFIDENCE, [reasons.ConfidenceTooLow(*facts)])
    certificate = standing.certificates.get(assessment.impact)
    if composite < auto and certificate is not None and certificate.holds(type, score, own, review):
        parts = certificate.threshold, certificate.target, certificate.delta, certificate.labels
        return _Choice(Route.AUTO, PASSED, [reasons.ConfidenceCertified(*facts, *parts)], certified=certificate)
    if composite < auto:
        return _Choice(Route.REVIEW, LOW_CONFIDENCE, [reasons.ConfidenceBetween(*facts)])
    if own < review:
        return _Choice(Route.REVIEW, LOW_CONFIDENCE, [reasons.ConfidenceUnsupported(*facts)])
    seen = assessment.observed
    if seen is not None and score < auto:
        lowered = reasons.ConfidenceLowered(*facts, seen.share, seen.decided, seen.own)
        return _Choice(Route.REVIEW, LOW_CONFIDENCE, [lowered])
    return _Choice(Route.AUTO, PASSED, [reasons.ConfidenceEnough(*facts)])


def _tier(question: EvaluationInput, assessment: Assessment, policy: Policy, value: Worth) -> tuple[int, Reason | None]:
    """The highest of the type's tier, the matching rules' and the value's; and the reason where the value raised it."""
    tiers = policy.tiers_in(question.type.domain)
    levels = sorted(tiers)
    ruled = max([question.type.tier, *(match.tier for match in assessment.matched if match.tier is not None)])
    if value.unknown_currency or value.unreadable:
        return max(ruled, levels[-1]), None
    if question.value is None:
        return ruled, None
    size = abs(question.value)
    by_value, below = levels[0], None
    for level in levels:
        ceiling = tiers[level].ceiling
        by_value = level
        if ceiling is None or size <= ceiling:
            break
        below = tiers[level]
    if by_value <= ruled or below is None or below.ceiling is None:
        return max(ruled, by_value), None
    return by_value, reasons.ValueAboveCeiling(size, policy.base, below.level, below.ceiling, by_value)


def _further_reasons(assessment: Assessment, raised: Reason | None, *, passes: bool) -> list[Reason]:
    """What else a reader should know: every matching rule, and the value that raised the tier."""
    shown = [match for match in assessment.matched if match.failed or match.effect != Rule.Effect.BLOCK]
    further = [_rule_reason(match, passes=passes) for match in shown]
    return [*further, raised] if raised else further


def _rule_reason(match: RuleMatch, *, passes: bool = True) -> Reason:
    if match.failed:
        return reasons.RuleFailed(match.name)
    kind: type[reasons.RuleReason] = reasons.RuleMatched
    if match.effect == Rule.Effect.ALLOW:
        kind = reasons.RuleLetsPass if passes else reasons.RuleOverruled
        kind = reasons.RuleGoesByStated if match.uses_stated else kind
    return kind(match.name, match.message)
