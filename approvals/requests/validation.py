"""Validates a submission against policy; its shape was checked at the edge."""

from dataclasses import replace
from datetime import timedelta

from approvals.execution import plans
from approvals.models.policy import CONSENTING, Gate, Reversibility, Silence, Verdict
from approvals.models.states import ItemType
from approvals.policy.compiled_policy import Policy, TypePolicy
from approvals.requests.submission import RESERVED, Item, Submission, item_of
from approvals.values import dialect
from approvals.values.schema import BadSchema, Fault

LONGEST = timedelta(days=365)


def faults_of(submission: Submission, policy: Policy) -> list[Fault]:
    """All that is wrong, each with a pointer into the request."""
    faults = []
    for index, item in enumerate(submission.items):
        at = f"/items/{index}"
        kind = policy.types.get(item.type_name)
        if kind is None:
            faults.append(Fault(f"{at}/action/name", f"unknown action type {item.action!r}"))
            continue
        faults += _item_faults(item, kind, policy, at)
        faults += _silence_faults(submission, item, kind)
    if submission.timeout is not None and not timedelta(0) < submission.timeout <= LONGEST:
        faults.append(Fault("/timeout_s", "the deadline must lie between one second and a year ahead"))
    return faults


def _item_faults(item: Item, kind: TypePolicy, policy: Policy, at: str) -> list[Fault]:
    faults = []
    if item.item_type == ItemType.ACTION and item.parsed:
        faults += [replace(fault, pointer=f"{at}/action/args{fault.pointer}") for fault in kind.check(item.args)]
        for number, alternative in enumerate(item.alternatives):
            faults += [
                Fault(f"{at}/alternatives/{number}/args{fault.pointer}", fault.message)
                for fault in kind.check(alternative.get("args"))
            ]
    if item.item_type == ItemType.QUESTION and item.response_schema:
        faults += [
            Fault(f"{at}/question/response_schema{fault.pointer}", fault.message)
            for fault in dialect.check_schema(item.response_schema)
        ]
    if item.item_type == ItemType.PLAN:
        faults += [
            fault
            for number, step in enumerate(item.steps)
            if plans.verdict_of(step) != Verdict.REJECT
            for fault in _step_faults(item_of(step, item), policy, f"{at}/plan/steps/{number}/action")
        ]
    if item.item_type == ItemType.ACTION:
        faults += [
            Fault(f"{at}/{name}", f"{kind.name} needs {name} with every request; it is missing or empty")
            for name in kind.required
            if _is_empty(getattr(item, name, None))
        ]
    if not allowed(item, kind):
        faults.append(Fault(f"{at}/allowed", f"none of these is allowed for {kind.name}: {', '.join(kind.allowed)}"))
    return faults


def _is_empty(sent: object) -> bool:
    """Nothing that a person could read: no text but white space, no entry."""
    return not (sent.strip() if isinstance(sent, str) else sent)


def _step_faults(step: Item, policy: Policy, at: str) -> list[Fault]:
    """A step is an action that could be proposed by itself, and that a person can approve without seeing it again."""
    kind = policy.types.get(step.action) if step.action not in RESERVED.values() else None
    if kind is None:
        return [Fault(f"{at}/name", f"unknown action type {step.action!r}")]
    if not step.parsed and kind.schema:
        return [Fault(f"{at}/args", "the arguments of a step are JSON, and no text that did not parse")]
    return [replace(fault, pointer=f"{at}/args{fault.pointer}") for fault in kind.check(step.args)]


def _silence_faults(submission: Submission, item: Item, kind: TypePolicy) -> list[Fault]:
    """Silence lets run only what is reversible, and only where the action type says so: never at the agent's wish."""
    wish = submission.on_timeout
    if wish in CONSENTING and kind.reversibility != Reversibility.REVERSIBLE:
        return [Fault("/on_timeout", f"{kind.name} is not reversible, so silence can never approve it")]
    if wish in CONSENTING and kind.on_timeout not in CONSENTING and kind.gate != Gate.SOFT:
        return [Fault("/on_timeout", f"policy does not let silence approve {kind.name}")]
    if wish == Silence.BEST_GUESS and (item.item_type != ItemType.QUESTION or item.best_guess is None):
        return [Fault("/on_timeout", "best_guess is for a question that states one")]
    if wish == Silence.BEST_GUESS and not guess_fits(item):
        return [Fault("/on_timeout", "the best guess does not fit the response_schema, so silence can never answer it")]
    return []


def guess_fits(item: Item) -> bool:
    """True where the agent stated a best guess that its own schema of the answer allows."""
    try:
        return item.best_guess is not None and not dialect.check(item.response_schema, item.best_guess)
    except BadSchema:
        return False


def allowed(item: Item, kind: TypePolicy) -> list[str]:
    """What the agent's framework can honour and policy permits, in policy's order."""
    return [verdict for verdict in kind.allowed if item.allowed is None or verdict in item.allowed]
