"""Recomputes the rows of approvals from their chained events, to find rows that were changed by hand.

Works through approvals in sets, whatever their number; the first row that lies is named.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from approvals.history import recorded
from approvals.models import (
    Approval,
    ApprovalRequest,
    AuditEvent,
    Decision,
    PolicyVersion,
    Proposal,
    Recall,
    SystemAuditEvent,
    User,
)
from approvals.models.policy import Verdict
from approvals.models.states import OPEN, SETTLED, ItemType, Source, Status
from approvals.policy.authoring import documents
from approvals.values.schema import Json, NotCanonical, item_digest

SET = 1000  # rows that are read at once

# How a column is named where its row lies, where that is not its own name.
_NAMED = {
    "decided_by_id": "decided by",
    "decided_at": "decided at",
    "released_at": "released at",
    "consumed_at": "permit used at",
    "policy_id": "policy version",
}
_STATUS_FIRST = sorted(recorded.COLUMNS, key=lambda name: (name != "status", name))

DecisionKey = tuple[Json, Json]  # revision and round, in which there is one decision at most


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision as its event recorded it."""

    digest: Json
    verdict: Json
    source: Json
    user: Json
    at: Json


@dataclass(slots=True)
class Expected:
    """What the events of one approval say of its row, and of the rows beside it."""

    state: dict[str, Json] = field(default_factory=dict)
    decisions: dict[DecisionKey, Decided] = field(default_factory=dict)
    standing: DecisionKey | None = None
    agents: set[str] = field(default_factory=set)  # names under which its agent spoke
    beside: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))  # as recorded.beside has it


class Recomputation:
    """Takes the events of approvals, one approval after the other, and says which row lies."""

    def __init__(self) -> None:
        self._expected: dict[UUID, Expected] = {}
        self._policies: dict[int, Mapping[str, int]] = {}

    def take(self, approval_id: UUID, events: Sequence[AuditEvent]) -> str:
        """Read one approval's events, already verified, in their order. "", or which row lies."""
        expected = Expected()
        for event in events:
            digests = dict(event.state)
            expected.state |= {name: digests.pop(name) for name in list(digests) if name in recorded.COLUMNS}
            state = expected.state
            if "decision" in digests:
                decision_key = (state.get("revision"), state.get("round"))
                expected.standing = decision_key
                expected.decisions[decision_key] = Decided(
                    digests["decision"],
                    state.get("verdict"),
                    state.get("source"),
                    state.get("decided_by_id"),
                    state.get("decided_at"),
                )
            for name in recorded.BESIDE:
                expected.beside[name] |= digests.get(name) or {}
            if event.actor.startswith("agent:"):
                expected.agents.add(event.actor.removeprefix("agent:"))
        if not expected.state.get("verdict"):
            expected.standing = None
        self._expected[approval_id] = expected
        return self.finish() if len(self._expected) >= SET else ""

    def finish(self) -> str:
        """Hold the rest against the rows: "", or which row lies."""
        expected, self._expected = self._expected, {}
        steps = (self._approvals, self._decisions, self._proposals, self._beside)
        return next(filter(None, (step(expected) for step in steps)), "")

    def _approvals(self, expected: Mapping[UUID, Expected]) -> str:
        for row in Approval.objects.filter(pk__in=expected).order_by("pk").values("pk", *_STATUS_FIRST):
            state = expected[row["pk"]].state
            for column in _STATUS_FIRST:
                in_row, in_events = recorded.plain(row[column]), state.get(column)
                if in_row != in_events:
                    return f"approval {row['pk']} {_mismatch_sentence(column, in_row, in_events)}"
        return ""

    def _decisions(self, expected: Mapping[UUID, Expected]) -> str:
        missing = {(pk, place) for pk, of in expected.items() for place in of.decisions}
        decisions = Decision.objects.filter(approval__in=expected).order_by("approval_id", "decided_at")
        refused = Approval.objects.filter(pk__in=expected, source=Source.POLICY, verdict=Verdict.REJECT)
        refused_for = dict(refused.values_list("pk", "reasons"))
        for decision in decisions.iterator(chunk_size=SET):
            of = expected[decision.approval_id]
            decision_key: DecisionKey = (decision.revision, decision.round)
            if lie := _mismatch(decision, decision_key, of, refused_for.get(decision.approval_id, ())):
                return f"the decision on approval {decision.approval_id} {lie}"
            missing.discard((decision.approval_id, decision_key))
        return f"a decision on approval {min(pk for pk, _ in missing)} is missing" if missing else ""

    def _beside(self, expected: Mapping[UUID, Expected]) -> str:
        """Votes, notes, questions, recalls, uses, outcomes and incidents, each against the event that wrote it."""
        for name, table in recorded.BESIDE.items():
            missing = {(pk, key): digest for pk, of in expected.items() for key, digest in of.beside[name].items()}
            rows = table.model._default_manager.filter(approval__in=expected).order_by("approval_id", "pk")
            for row in rows.values("approval_id", *table.key, *table.columns).iterator(chunk_size=SET):
                digest = table.digest(row)
                if digest != missing.pop((row["approval_id"], table.key_of(row)), ""):
                    return f"the {name} on approval {row['approval_id']} is not the one that its events tell of"
            if missing:
                return f"the {name} on approval {min(pk for pk, _ in missing)} is missing"
        return ""

    def _proposals(self, expected: Mapping[UUID, Expected]) -> str:
        """What is proposed now, against the digest under which it is decided."""
        names = dict(Approval.objects.filter(pk__in=expected).values_list("pk", "agent__name"))
        missing = {str(of.state["proposal_id"]): pk for pk, of in expected.items() if of.state.get("proposal_id")}
        columns = ("name", "args", "prompt", "schema", "steps", "attachments", "digest", "revision", "approval_id")
        proposals = Proposal.objects.filter(pk__in=list(missing)).only(*columns).order_by("approval_id")
        for proposal in proposals.iterator(chunk_size=SET):
            pk = missing.pop(str(proposal.pk))
            name = f"revision {proposal.revision} of approval {pk}"
            state = expected[pk].state
            here = (proposal.approval_id, proposal.revision, proposal.digest)
            if here != (pk, state["revision"], state["digest"]):
                return f"{name} is not the one that its events tell of"
            agents = expected[pk].agents | {names[pk]}
            if state["digest"] not in {_digest_or_empty(self._digest, agent, state, proposal) for agent in agents}:
                return f"{name}: what is proposed is not what its digest was made of"
        return f"the proposal of approval {min(missing.values())} is missing" if missing else ""

    def _digest(self, agent: str, state: Mapping[str, Json], proposal: Proposal) -> str:
        kind = str(state["action_type_id"])
        return item_digest(
            item_type=str(state["item_type"]),
            agent=agent,
            action=proposal.name or kind,
            schema_version=self._schemas(int(str(state["policy_id"])))[kind],
            args=proposal.args,
            prompt=proposal.prompt,
            response_schema=proposal.schema,
            steps=proposal.steps,
            subject=str(state.get("subject") or ""),
            attachments=[str(file["digest"]) for file in proposal.attachments],
        )

    def _schemas(self, number: int) -> Mapping[str, int]:
        """The versions of the arguments' schemas in a version of policy, by action type."""
        if number not in self._policies:
            snapshot = PolicyVersion.objects.values_list("snapshot", flat=True).get(number=number)
            self._policies[number] = {name: row["schema_version"] for name, row in snapshot["types"].items()}
        return self._policies[number]


def decision_documents(requests: "QuerySet[ApprovalRequest]") -> str:
    """Whether each decision document says what the rows say that were decided, verified before: "", or which one lies.

    Names of people, which may change, and the signatures of permits, which who runs them verifies, are not compared.
    """
    columns = ("pk", "status", "answer", "recalled_answer", "resume")
    batch: list[ApprovalRequest] = []
    for request in requests.only(*columns).order_by("pk").iterator(chunk_size=SET):
        batch.append(request)
        if len(batch) >= SET:
            if lie := _documents(batch):
                return lie
            batch = []
    return _documents(batch)


def _documents(requests: Sequence[ApprovalRequest]) -> str:
    items: dict[UUID, list[Approval]] = defaultdict(list)
    columns = ("request_id", "item", "status", "item_type", "digest", "policy_id", "reasons")
    approvals = Approval.objects.filter(request__in=requests).select_related("proposal")
    approvals = approvals.only(*columns, "proposal__name", "proposal__args")
    for approval in approvals.order_by("request_id", "position"):
        items[approval.request_id].append(approval)
    decisions = {
        one.approval_id: one for one in Decision.objects.filter(approval__request__in=requests, undone_at=None)
    }
    recalls = {one.pk: one for one in Recall.objects.filter(approval__request__in=requests)}
    for request in requests:
        of_request = items[request.pk]
        waits = any(one.status in OPEN for one in of_request)
        if waits != (not request.answer) or waits != (request.status == ApprovalRequest.Status.PENDING):
            return f"request {request.pk} says {request.status}, its approvals say otherwise"
        for text, newest in ((request.answer, not request.recalled_answer), (request.recalled_answer, True)):
            if text and not _document_matches(text, request, of_request, decisions, recalls, newest=newest):
                return f"request {request.pk}: its decision document does not say what was decided"
    return ""


def _document_matches(
    text: str,
    request: ApprovalRequest,
    approvals: Sequence[Approval],
    decisions: Mapping[UUID, Decision],
    recalls: Mapping[UUID, Recall],
    *,
    newest: bool,
) -> bool:
    try:
        document = json.loads(text)
        items = document["items"]
        outline = (document["request"], document["status"], document["resume"], [item["id"] for item in items])
    except (ValueError, TypeError, KeyError):
        return False
    if outline != (str(request.pk), request.status, request.resume, [one.item for one in approvals]):
        return False
    for item, approval in zip(items, approvals, strict=True):
        recall = recalls.get(approval.pk)
        if recall is not None and (newest or item.get("status") == "recalled"):
            expected = _recalled(recall)
        elif approval.status in SETTLED:
            expected = _decided(approval, decisions[approval.pk])
        else:
            expected = {
                "status": "expired" if approval.status == Status.EXPIRED else "cancelled",
                "verdict": None,
                "permit": False,
            }
        by = item.get("decided_by")
        says = {**item, "decided_by": by.get("tier") if isinstance(by, dict) else by}
        says["permit"] = bool(item.get("permit"))
        says["reasons"] = [_without_text(reason) for reason in item.get("reasons", ())]
        if any(says.get(name) != value for name, value in expected.items()):
            return False
    return True


def _recalled(recall: Recall) -> dict[str, Json]:
    at = recall.recalled_at.isoformat()
    return {"status": "recalled", "verdict": None, "permit": False, "reason": recall.reason, "recalled_at": at}


def _without_text(reason: Mapping[str, Any]) -> Json:
    return {"code": reason.get("code"), **reason.get("parameters", {})}


def _decided(approval: Approval, decision: Decision) -> dict[str, Json]:
    """What the document says of an approval that was decided so."""
    proposal = approval.proposal
    runs = decision.verdict in (Verdict.APPROVE, Verdict.MODIFY) and approval.item_type == ItemType.ACTION
    return {
        **({} if runs else {"permit": False}),
        # What policy refuses for is worded where it is read: by which reasons is compared, not how they are put.
        **(
            {"reasons": approval.reasons}
            if decision.refused_by_policy
            else {"reasons": [], "message": decision.message}
        ),
        "status": "decided",
        "verdict": decision.verdict,
        "source": decision.source,
        "action": {"name": proposal.name, "args": proposal.args} if runs and proposal else None,
        "action_digest": approval.digest,
        "answer": decision.answer,
        "alternative": decision.alternative or None,
        "guidance": decision.guidance or None,
        "stop": decision.stop,
        "remember": decision.remember,
        "decided_at": decision.decided_at.isoformat(),
        "decided_by": decision.tier_id if decision.source == Source.HUMAN else None,
        "policy_version": approval.policy_id,
    }


def policy() -> str:
    """Whether each version of policy is what was published: "", or which one lies."""
    events = SystemAuditEvent.objects.filter(kind=SystemAuditEvent.Kind.POLICY_PUBLISHED).order_by("seq")
    published = {subject: detail["digest"] for subject, detail in events.values_list("subject", "detail")}
    versions = PolicyVersion.objects.order_by("number").values_list("number", "snapshot", "digest")
    for number, snapshot, digest in versions.iterator(chunk_size=20):
        kept = published.pop(f"policy:{number}", None)
        if digest != kept or _digest_or_empty(documents.digest, snapshot) != kept:
            return f"policy version {number} is not what was published"
    return f"{min(published)} was published and is missing" if published else ""


def _mismatch(decision: Decision, decision_key: DecisionKey, expected: Expected, refused_for: Sequence[Json]) -> str:
    """What a decision says, where its event recorded something else."""
    event = expected.decisions.get(decision_key)
    if event is None:
        return "is one that no event tells of"
    for column, in_row, in_events in (
        ("verdict", decision.verdict, event.verdict),
        ("source", decision.source, event.source),
        ("decided_by_id", recorded.plain(decision.user_id), event.user),
        ("decided_at", recorded.plain(decision.decided_at), event.at),
    ):
        if in_row != in_events:
            return _mismatch_sentence(column, in_row, in_events)
    reasons = refused_for if decision.refused_by_policy else ()
    if _digest_or_empty(recorded.stored_decision_digest, decision, reasons) != event.digest:
        return "says other words (message, answer, reason …) than were given"
    gone = "recalled" if expected.state["status"] == Status.RECALLED else "standing"
    in_events = gone if decision_key == expected.standing else "undone"
    in_row = "undone" if decision.undone_at else "recalled" if decision.recalled_at else "standing"
    return _mismatch_sentence("status", in_row, in_events) if in_row != in_events else ""


def _mismatch_sentence(column: str, in_row: Json, in_events: Json) -> str:
    """The two in words: says released, its events say pending."""
    name = "" if column == "status" else f"{_NAMED.get(column, column.removesuffix('_id'))} "
    return f"says {name}{_value(column, in_row)}, its events say {_value(column, in_events)}"


def _value(column: str, value: Json) -> str:
    if value is None:
        return "nothing"
    if column == "decided_by_id":
        return User.objects.filter(pk=str(value)).values_list("username", flat=True).first() or str(value)
    return str(value)


def _digest_or_empty(digest: Callable[..., str], *of: object) -> str:
    """A digest; "" of what has none, which was never stored so."""
    try:
        return digest(*of)
    except NotCanonical:
        return ""
