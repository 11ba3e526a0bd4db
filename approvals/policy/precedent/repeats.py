"""Is a proposal another attempt at what was rejected? Told by comparing the arguments with the latest rejected ones.

A rejection counts once the agent knows of it: a person's verdict after its undo window, or what policy refused
because of what was proposed; and what the agent withdrew while a person's no to it was held. A low score asks the
agent to reformulate, and a request says nothing of the proposal.

*Near* are arguments of which the subject is the same, most leaves are the same, and at most three differ. Outside the
run in which it was rejected a recipient, an order, any other name that something goes by must be the same as well:
there it is another matter, in the same run it is another attempt.

A person's rejection *settles* a near repetition when nothing but words was changed: free text in which the numbers and
addresses stayed what they were. Another value (a lower one above all), recipient, subject, file, present state or
precondition may be exactly what was asked for, so it goes to a person again; so does what a person sent back as
unclear or with guidance, and whatever a person approved in the meantime.
"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from approvals.policy import reasons
from approvals.policy.evaluation_input import EvaluationInput, Repeat, SameDigest
from approvals.policy.rules.paths import UnknownField, subschema
from approvals.values.edits import Edit, Side, compared
from approvals.values.schema import Json, canonical, pointer_of

REJECTIONS = 30  # the latest by people and the latest by policy, of an agent and action type; as many of the run
PAUSES = 50  # the latest of the run
SINCE = timedelta(days=30)
CHANGED = 3  # leaves at most
LARGEST = 16_384  # bytes of arguments as stored; larger ones are not compared
UNCLEAR = "unclear"  # the rejection that asks for another attempt
_MOST = 1000  # attempts that are told apart

_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Rejected:
    """What was rejected, by a person or by policy, as far as a repetition is compared with it."""

    id: UUID
    at: datetime
    by_person: bool
    attempt: int
    run: str | None
    digest: str
    subject: str
    value: Decimal | None
    args: Json
    beside: Json  # files, present state, preconditions
    reason: str
    message: str
    guided: bool
    overruled_at: datetime | None  # a repetition of it was approved


# The latest of each pair come from the partial index approval_rejected, those of a run through its latest requests.
REJECTED = """
WITH latest AS (
    SELECT newest.id
    FROM unnest(%(repeat_agents)s::uuid[], %(repeat_names)s::text[]) AS pair (agent, name)
    CROSS JOIN (VALUES ('human'), ('policy'), ('')) AS rejecting (source)
    CROSS JOIN LATERAL (
        SELECT id FROM approvals_approval
        WHERE agent_id = pair.agent AND action_type_id = pair.name AND kind = 'real'
          AND ((verdict = 'reject' AND (source = 'human' OR (source = 'policy' AND reason_code = 'policy_violation')))
               OR (status = 'cancelled' AND faulted_at IS NOT NULL))
          AND source = rejecting.source
          AND created_at > %(repeat_since)s AND created_at <= %(now)s
        ORDER BY created_at DESC LIMIT %(rejections)s
    ) AS newest
    UNION
    SELECT tried.id
    FROM unnest(%(run_agents)s::uuid[], %(run_names)s::text[], %(runs)s::text[]) AS asked (agent, name, run)
    JOIN approvals_run AS run ON run.agent_id = asked.agent AND run.key = asked.run
    CROSS JOIN LATERAL (
        SELECT approval.id
        FROM (
            SELECT id FROM approvals_approvalrequest WHERE run_id = run.id ORDER BY created_at DESC LIMIT %(requests)s
        ) AS request
        JOIN approvals_approval AS approval ON approval.request_id = request.id
        WHERE approval.action_type_id = asked.name AND approval.kind = 'real'
          AND ((verdict = 'reject' AND (source = 'human' OR (source = 'policy' AND reason_code = 'policy_violation')))
               OR (approval.status = 'cancelled' AND faulted_at IS NOT NULL))
          AND approval.created_at <= %(now)s
        ORDER BY approval.created_at DESC LIMIT %(rejections)s
    ) AS tried
)
SELECT approval.agent_id, approval.action_type_id, approval.id, decision.decided_at, decision.source = 'human',
       approval.attempt, run.key, approval.digest, approval.subject, approval.value, proposal.args::text,
       json_build_array(proposal.attachments, proposal.current, proposal.preconditions)::text,
       decision.reason, decision.message, decision.guidance <> '', overruling.released_at
FROM latest
JOIN approvals_approval AS approval USING (id)
JOIN approvals_approvalrequest AS request ON request.id = approval.request_id
LEFT JOIN approvals_run AS run ON run.id = request.run_id
JOIN approvals_proposal AS proposal ON proposal.id = approval.proposal_id
JOIN LATERAL (
    -- One that its agent evaded was undone at the very moment that says so.
    SELECT reason, message, guidance, decided_at, source FROM approvals_decision
    WHERE approval_id = approval.id AND verdict = 'reject'
      AND (undone_at IS NULL OR (approval.status = 'cancelled' AND undone_at = approval.faulted_at))
    ORDER BY decided_at DESC LIMIT 1
) AS decision ON true
LEFT JOIN LATERAL (
    SELECT released_at FROM approvals_approval AS later
    WHERE later.repeats_id = approval.id AND later.verdict IN ('approve', 'modify') AND later.released_at IS NOT NULL
    ORDER BY later.released_at DESC LIMIT 1
) AS overruling ON true
WHERE approval.subject = ANY (%(subjects)s::text[]) AND approval.id <> ALL (%(own)s::uuid[])
  AND (approval.released_at IS NOT NULL OR approval.status = 'cancelled') AND proposal.parsed
  AND NOT approval.reasons @> ANY (%(not_of_it)s::jsonb[]) AND pg_column_size(proposal.args) <= %(largest)s
ORDER BY decision.decided_at DESC
"""


def values(questions: Iterable[EvaluationInput], now: datetime) -> dict[str, Any]:
    """What REJECTED asks for these questions, `now` and `own` aside; runs only where their attempts are counted."""
    asking = [question for question in questions if can_repeat(question)]
    pairs = sorted({(question.agent_id, question.type.name) for question in asking})
    runs = sorted({(one.agent_id, one.type.name, one.run) for one in asking if one.run and one.type.most_attempts})
    return {
        "repeat_agents": [agent for agent, _ in pairs],
        "repeat_names": [name for _, name in pairs],
        "run_agents": [agent for agent, _, _ in runs],
        "run_names": [name for _, name, _ in runs],
        "runs": [run for _, _, run in runs],
        "subjects": sorted({question.subject for question in asking}),
        "repeat_since": now - SINCE,
        "rejections": REJECTIONS,
        "requests": PAUSES,
        "largest": LARGEST,
        "not_of_it": [json.dumps([reason.as_json()]) for reason in (reasons.AgentPaused(), reasons.RunStopped())],
    }


def can_repeat(question: EvaluationInput) -> bool:
    """Only what an agent proposes by itself is an attempt of its own."""
    return question.parsed and not question.in_hand and isinstance(question.args, Mapping)


def read(rows: Iterable[Sequence[Any]]) -> dict[tuple[UUID, str], list[Rejected]]:
    """The rows of REJECTED by agent and action type, the latest first."""
    rejections: dict[tuple[UUID, str], list[Rejected]] = {}
    for agent, name, pk, at, by_person, attempt, run, digest, subject, value, args, beside, *rest in rows:
        reason, message, guided, overruled_at = rest
        rejection = Rejected(
            id=pk,
            at=at,
            by_person=by_person,
            attempt=attempt,
            run=run,
            digest=digest,
            subject=subject,
            value=value,
            args=json.loads(args),
            beside=json.loads(beside),
            reason=reason,
            message=message or "",
            guided=guided,
            overruled_at=overruled_at,
        )
        rejections.setdefault((agent, name), []).append(rejection)
    return rejections


def repeat_of(question: EvaluationInput, rejected: Sequence[Rejected], twin: SameDigest | None) -> Repeat | None:
    """What of the rejected, the latest first, is proposed once more; one of the same run and by a person goes first."""
    if not rejected or not can_repeat(question):
        return None
    near = [(one, edits) for one in rejected if (edits := _near(question, one)) is not None]
    # What a person let run since then was no attempt at what had been rejected before.
    approved = [one.overruled_at for one, _ in near if one.overruled_at]
    if twin is not None and twin.at is not None and twin.status != "pending":
        approved.append(twin.at)
    if approved:
        near = [(one, edits) for one, edits in near if one.at > max(approved)]
    if not near:
        return None
    here = [pair for pair in near if question.run and pair[0].run == question.run]
    most = here or near
    original, edits = next((pair for pair in most if pair[0].by_person), most[0])
    return Repeat(
        id=original.id,
        day=original.at.date(),
        by_person=original.by_person,
        reason=original.reason,
        attempt=min(max(one.attempt for one, _ in near) + 1, _MOST),
        tries=len(here),
        changed=tuple(edit[0] for edit in edits),
        settled=original.by_person and _settles(question, original, edits),
        message=original.message,
    )


def _near(question: EvaluationInput, rejected: Rejected) -> list[Edit] | None:
    """What differs, None where it is another matter."""
    if rejected.subject != question.subject or not isinstance(rejected.args, Mapping):
        return None
    edits, same = compared(rejected.args, question.args)
    if edits and (len(edits) > CHANGED or not same or len(edits) > same + 1):
        return None
    elsewhere = not question.run or rejected.run != question.run
    if elsewhere and any(_names_something(question, *edit) for edit in edits):
        return None
    return edits


def _names_something(question: EvaluationInput, path: str, before: Side, after: Side) -> bool:
    """An order, an account, a service, a list of such: what is neither words nor a number nor one of a few choices."""
    values = [side[0] for side in (before, after) if side]
    if any(isinstance(value, Mapping | Sequence) and not isinstance(value, str) for value in values):
        return True
    return any(isinstance(value, str) and value and not _is_text(value) for value in values) and not (
        _shape(question, path).keys() & {"enum", "const"}
    )


def _is_text(value: str) -> bool:
    return any(one.isspace() for one in value.strip())


def _shape(question: EvaluationInput, path: str) -> Mapping[str, Json]:
    try:
        return subschema(question.type.schema, path) or {}
    except UnknownField:
        return {}


def _settles(question: EvaluationInput, rejected: Rejected, edits: Collection[Edit]) -> bool:
    if rejected.reason == UNCLEAR or rejected.guided or rejected.value != question.value:
        return False
    if canonical(rejected.beside) != canonical(question.beside):
        return False
    return all(_is_wording(question, *edit) for edit in edits)


def _is_wording(question: EvaluationInput, path: str, before: Side, after: Side) -> bool:
    """Free text on both sides, or on one with nothing on the other, that names the same numbers and addresses."""
    type = question.type
    keyed = (type.value_path, type.currency_path, type.subject_path, type.baseline_path, type.frequency_path)
    if path in {one if one.startswith("/") else pointer_of(one.split(".")) for one in keyed if one}:
        return False
    if _shape(question, path).keys() & {"enum", "const", "pattern", "format"}:
        return False
    texts = [side[0] if side and side[0] is not None else "" for side in (before, after)]
    if not all(isinstance(text, str) and (not text or _is_text(text)) for text in texts):
        return False
    was, becomes = (_numbers_and_addresses(str(text)) for text in texts)
    return was == becomes


def _numbers_and_addresses(text: str) -> Counter[str]:
    """The numbers and addresses in a text."""
    return Counter(
        chunk.strip(".,;:!?()[]\"'").casefold()
        for chunk in text.split()
        if "@" in chunk or "://" in chunk or _NUMBER.search(chunk)
    )
