"""Stages: who approves one after the other, and what becomes of the demands of several rules.

The strictest of all that match wins, and nothing that one of them asks is lost:

- Each rule's stages keep their own order. Among those of several rules the lower tier comes first; the same tier of the
  same field is asked once, with the higher number of people.
- What the action type, the value or a rule without stages asks (a tier, so many people) is met where a stage of its own
  field asks as much. Otherwise the highest stage of that field is raised to it; where there is none, it is a further
  stage, if it is more than every stage asks.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from approvals.models import Approval
from approvals.models.policy import Verdict
from approvals.policy.assessed import RuleMatch
from approvals.policy.compiled_policy import Stage, TypePolicy
from approvals.policy.reasons import InStages

Stages: TypeAlias = tuple[Stage, ...]  # one: everybody at once. Each names its field.

_APPROVING = {Verdict.APPROVE, Verdict.MODIFY}


def required_stages_of(approval: Approval) -> Stages:
    """Who is asked for an approval that waits, in order; one where everybody is asked at once."""
    if not approval.stages:
        return (Stage(approval.tier_id, approval.domain_id, approval.approvers),)
    return tuple(Stage(stage["tier"], stage["domain"], stage["approvers"]) for stage in approval.stages)


def required_stages_for(type: TypePolicy, matched: Iterable[RuleMatch], flat: Stage) -> Stages:
    """Who is asked, in order. `flat` is what the type, the value and the rules without stages ask."""
    demanded = [
        [replace(stage, domain=stage.domain or type.domain) for stage in match.stages]
        for match in matched
        if match.stages
    ]
    if not demanded:
        return (flat,)
    stages = with_flat_demand(merge(demanded), flat)
    if not approves(type):
        # What is answered is answered once: by the highest of them.
        return (max(stages, key=lambda stage: stage.tier),)
    return stages


def approves(type: TypePolicy) -> bool:
    """Whether people let it run, as against answering it."""
    return not _APPROVING.isdisjoint(type.allowed)


def merge(several: Iterable[Sequence[Stage]]) -> Stages:
    """The stages of several, each in its own order; where two contradict each other, the first one's order holds."""
    merged_stages: list[Stage] = []
    for stages in several:
        least = 0  # nothing comes before what precedes it in its own rule
        for stage in stages:
            index = next(
                (at for at, merged_stage in enumerate(merged_stages) if _queue(merged_stage) == _queue(stage)), None
            )
            if index is not None:
                merged_stages[index] = replace(stage, approvers=max(stage.approvers, merged_stages[index].approvers))
                least = max(least, index + 1)
                continue
            higher = (at for at in range(least, len(merged_stages)) if merged_stages[at].tier > stage.tier)
            least = next(higher, len(merged_stages))
            merged_stages.insert(least, stage)
            least += 1
    return tuple(merged_stages)


def with_flat_demand(stages: Stages, flat: Stage) -> Stages:
    """The stages, so that a demand without stages is met, too."""
    own = [at for at, stage in enumerate(stages) if stage.domain == flat.domain]
    among = [stages[at] for at in own] or stages
    if any(one.tier >= flat.tier and one.approvers >= flat.approvers for one in among):
        return stages
    if not own:
        return (*stages, flat)
    highest = max(own, key=lambda at: stages[at].tier)
    return (*stages[:highest], _raised(stages[highest], flat), *stages[highest + 1 :])


def merged_with(before: Stages, now: Stages) -> Stages:
    """What was asked and what is asked now: nothing that was asked becomes less."""
    if len(now) == 1 and len(before) > 1:
        return with_flat_demand(before, now[0])
    if len(before) == 1 and any(one.domain == before[0].domain for one in now):
        return with_flat_demand(now, before[0])
    # A stage of now stands for the one that was of its queue, else for one of its field, and rises to that.
    left = {_queue(one): one for one in before}
    same = {_queue(one): left.pop(_queue(one)) for one in now if _queue(one) in left}
    raised = []
    for stage in now:
        was = same.get(_queue(stage))
        if was is None:
            of_field = next((queue for queue in left if queue[1] == stage.domain), None)
            was = left.pop(of_field) if of_field else stage
        raised.append(_raised(stage, was))
    return merge((raised, list(left.values())))


def includes_queue(stages: Stages, tier: int, domain: str) -> bool:
    """Whether one of several is of people who decide in this tier and field."""
    return len(stages) > 1 and any(stage.domain == domain and stage.tier >= tier for stage in stages)


def asks_at_least(these: Stages, those: Stages) -> bool:
    """Whether these ask at least what those do, each of them by a stage of its own; in whatever order."""
    left = sorted(these, key=lambda stage: (stage.tier, stage.approvers))
    for stage in sorted(those, key=lambda stage: (stage.tier, stage.approvers), reverse=True):
        at = next(
            (
                at
                for at, candidate in enumerate(left)
                if candidate.domain == stage.domain
                and candidate.tier >= stage.tier
                and candidate.approvers >= stage.approvers
            ),
            None,
        )
        if at is None:
            return False
        del left[at]
    return True


def reasons_of(stages: Stages) -> list[InStages]:
    """That several approve one after the other, where they do."""
    return [InStages(stages)] if len(stages) > 1 else []


def _raised(stage: Stage, to: Stage) -> Stage:
    return replace(stage, tier=max(stage.tier, to.tier), approvers=max(stage.approvers, to.approvers))


def _queue(stage: Stage) -> tuple[int, str]:
    return stage.tier, stage.domain
