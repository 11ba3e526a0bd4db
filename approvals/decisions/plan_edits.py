"""A reviewer's edit of a plan: arguments changed, steps taken out, rejected or put in another order; one new revision.

What a person saw is what becomes of it: nothing is dropped or moved that the wish does not say. The edited plan is
classified again, step by step, and stays within the authority of who edited it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from django.utils.translation import gettext as _

from approvals.decisions import stages
from approvals.decisions.revise import Revision, revise
from approvals.errors import BadVerdict, NotAllowed
from approvals.execution import plans
from approvals.models import Approval, Proposal, User
from approvals.models.policy import Verdict
from approvals.people import authorities
from approvals.policy.stages import includes_queue
from approvals.requests.submission import as_item
from approvals.values import edits, schema, texts
from approvals.values.schema import Fault, Json

_STEP_KEYS = frozenset({"id", "edits", "verdict", "message"})
_STEPS = "/args/steps"

StepJson = Mapping[str, Json]


def plan_revision(approval: Approval, wish: Json, *, by: User, now: datetime) -> Revision:
    """The revision that a wish {"steps": [{"id", "edits"?, "verdict"?, "message"?}]} makes of a plan.

    Steps come in the wished order; one that is not named is taken out; `edits` are operations on its arguments as they
    were shown; `verdict` "reject" refuses one with a reason.
    Raises BadVerdict, NotAllowed.
    """
    shown = approval.proposal
    if shown is None or approval.action_type_id is None:
        raise NotAllowed
    own = approval.proposals.filter(author=None).order_by("-revision").first() or shown
    steps = _requested_steps(shown, own, wish)
    edited = _edited(shown.steps, steps)
    if not edited:
        raise BadVerdict([Fault("/args", _("Nothing is changed; approve it as it is."))])
    revision = revise(approval, shown, replace(as_item(approval, shown), steps=steps), by=by, now=now)
    _within_authority(approval, revision, by=by)
    return replace(revision, edited=tuple(edited))


def dependents(steps: Sequence[StepJson], name: str) -> list[str]:
    """The ids of the steps that cannot run without this one, in the plan's order."""
    gone = {name}
    for step in steps:  # a plan's steps come after what they depend on
        if gone.intersection(plans.needs_of(step)):
            gone.add(str(step["id"]))
    return [str(step["id"]) for step in steps if str(step["id"]) in gone - {name}]


def may_swap(steps: Sequence[StepJson], first: int) -> bool:
    """Whether the step at this place and the one after it may change places."""
    if not 0 <= first < len(steps) - 1:
        return False
    return str(steps[first]["id"]) not in plans.needs_of(steps[first + 1])


def _requested_steps(shown: Proposal, own: Proposal, wish: Json) -> list[dict[str, Json]]:
    """The steps as they will be stored; each fault names its place in the wish."""
    listed = wish.get("steps") if isinstance(wish, Mapping) and set(wish) == {"steps"} else None
    if not isinstance(listed, list | tuple):
        raise BadVerdict([Fault("/args", _("The steps of the plan, in the order in which they shall run."))])
    shown_by_id = {str(step["id"]): step for step in shown.steps}
    first = {str(step["id"]): step for step in own.steps}
    steps: list[dict[str, Json]] = []
    faults: list[Fault] = []
    seen: dict[str, str] = {}  # the steps before, with their verdicts
    for index, step_wish in enumerate(listed):
        at = f"{_STEPS}/{index}"
        fault = _misshapen(step_wish, shown_by_id, seen)
        if fault or not isinstance(step_wish, Mapping):
            faults.append(Fault(at + (fault.pointer if fault else ""), fault.message if fault else ""))
            continue
        name = str(step_wish["id"])
        try:
            step = _step(shown_by_id[name], first.get(name, shown_by_id[name]), step_wish)
        except edits.BadEdit as error:
            faults.append(Fault(f"{at}/edits{error.fault.pointer}", error.fault.message))
            continue
        verdict = plans.verdict_of(step)
        if verdict == Verdict.REJECT and not str(step_wish.get("message") or "").strip():
            faults.append(Fault(f"{at}/message", _("Say why step %(step)s is rejected.") % {"step": name}))
        missing = [
            other
            for other in plans.needs_of(step)
            if verdict != Verdict.REJECT and seen.get(other, Verdict.REJECT) == Verdict.REJECT
        ]
        faults += [
            Fault(f"{at}/id", _("%(step)s cannot run without %(other)s before it.") % {"step": name, "other": other})
            for other in missing
        ]
        seen[name] = verdict
        steps.append(step)
    if not faults and all(plans.verdict_of(step) == Verdict.REJECT for step in steps):
        faults.append(Fault("/args", _("Nothing is left of it; reject the plan instead.")))
    if faults:
        raise BadVerdict(faults)
    return steps


def _misshapen(step_wish: Json, shown_by_id: Mapping[str, StepJson], seen: Mapping[str, str]) -> Fault | None:
    if not isinstance(step_wish, Mapping) or not {"id"} <= set(step_wish) <= _STEP_KEYS:
        return Fault("", _("A step is its id and what becomes of it."))
    name = str(step_wish["id"])
    if name not in shown_by_id:
        return Fault("/id", _("The plan has no step %(step)s.") % {"step": name})
    if name in seen:
        return Fault("/id", _("The step %(step)s appears twice.") % {"step": name})
    if step_wish.get("verdict", Verdict.APPROVE) not in (Verdict.APPROVE, Verdict.MODIFY, Verdict.REJECT):
        return Fault("/verdict", _("A step is approved or rejected."))
    return next(iter(texts.too_long("/message", str(step_wish.get("message") or ""), texts.WHY)), None)


def _step(shown: StepJson, first: StepJson, wish: StepJson) -> dict[str, Json]:
    """A step as it will be stored; `first` is how the agent proposed it. Raises BadEdit."""
    kept = {name: value for name, value in shown.items() if name not in ("verdict", "message")}
    if wish.get("verdict") == Verdict.REJECT:
        return {**kept, "verdict": Verdict.REJECT.value, "message": str(wish.get("message") or "").strip()}
    action = plans.action_of(shown)
    if "edits" in wish:
        action["args"] = edits.apply(action["args"], edits.read_operations(wish["edits"]))
    if edits.same(action["args"], plans.action_of(first)["args"]):
        return {**kept, "action": first["action"]}
    return {**kept, "action": action, "verdict": Verdict.MODIFY.value}


def _edited(before: Sequence[StepJson], after: Sequence[StepJson]) -> list[str]:
    """What history says was edited: /steps/<id> of what differs or is gone, /steps for another order."""
    was = {str(step["id"]): step for step in before}
    will = {str(step["id"]): step for step in after}
    paths = [
        schema.pointer_of(["steps", name])
        for name in was
        if name not in will or schema.canonical(dict(was[name])) != schema.canonical(dict(will[name]))
    ]
    if [name for name in was if name in will] != list(will):
        paths.append("/steps")
    return paths


def _within_authority(approval: Approval, revision: Revision, *, by: User) -> None:
    """Refuse steps above this person's tier or outside their domains.

    Steps that other stages decide are theirs to read. Raises NotAllowed.
    """
    authority = authorities.authority_of(by)
    stages.refuse_beyond_authority(approval, revision.required_stages, authority)
    beyond = [
        step
        for step in revision.evaluation.steps
        if not authority.reaches(step.routing.tier, step.domain)
        and not includes_queue(revision.required_stages, step.routing.tier, step.domain)
    ]
    if beyond:
        raise BadVerdict(
            [
                Fault(
                    "/args",
                    _("Step %(step)s needs tier %(tier)d of %(domain)s, where you do not review; take it out.")
                    % {"step": step.sent["id"], "tier": step.routing.tier, "domain": step.domain},
                )
                for step in beyond
            ]
        )
