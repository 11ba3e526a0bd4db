"""A plan on the card: its steps in order, and a reviewer's edit of it while it is being made.

The edit is a wish that travels with the form; nothing is stored before the verdict, and the domain checks all of it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from django.utils.translation import gettext as _

from approvals.decisions import plan_edits
from approvals.execution import plans
from approvals.models import Approval, PlannedStep
from approvals.models.policy import Gate, Reversibility, Verdict
from approvals.people.authorities import Authority
from approvals.policy import messages, reasons, snapshot
from approvals.policy.compiled_policy import TypePolicy
from approvals.policy.stages import includes_queue, required_stages_of
from approvals.values import edits, schema
from approvals.values.schema import Json
from console.card.facts import Fact, changes_of, facts_of
from console.controls import editing
from console.controls.editing import EditInProgress

LONGEST = 500_000  # characters of a wish

Step = Mapping[str, Json]


class BadPlanEdit(ValueError):
    """The form carried no valid edit of this plan."""


@dataclass(frozen=True, slots=True)
class PlanStepLine:
    """One step as a person reads it. `needs` are the ids it depends on, `beyond` that it is another's to approve."""

    number: int
    id: str
    title: str
    facts: list[Fact]
    assessed: Mapping[str, Json]
    needs: list[str]
    dependents: list[str]  # those that go with it
    undo: str
    undo_facts: list[Fact]
    verdict: str
    message: str
    changes: list[Fact]
    beyond: bool
    used: PlannedStep | None
    can_up: bool
    can_down: bool

    @property
    def rejected(self) -> bool:
        return self.verdict == Verdict.REJECT

    @property
    def changed(self) -> bool:
        return self.verdict == Verdict.MODIFY

    @property
    def manual(self) -> bool:
        return self.assessed.get("gate") == Gate.MANUAL

    @property
    def typed(self) -> bool:
        """Whoever approves it types a value."""
        return self.manual or bool(self.assessed.get("typed"))

    @property
    def stages(self) -> Sequence[Json]:
        """Who approves it one after the other, where they do."""
        return _list(self.assessed.get("stages"))

    @property
    def reversibility(self) -> str:
        return str(Reversibility(str(self.assessed.get("reversibility", Reversibility.PARTIAL))).label)

    @property
    def reasons(self) -> list[str]:
        """Why it needs whom it needs; that it always asks, the plan says for all of them."""
        why = [reason for reason in reasons.read(self._rows("reasons")) if not isinstance(reason, reasons.AlwaysAsks)]
        return list(map(messages.sentence, why))

    @property
    def flags(self) -> list[str]:
        return messages.sentences(self._rows("flags"))

    def _rows(self, name: str) -> list[Mapping[str, Json]]:
        return [row for row in _list(self.assessed.get(name)) if isinstance(row, Mapping)]

    @property
    def for_ever(self) -> bool:
        return self.assessed.get("reversibility") == Reversibility.IRREVERSIBLE


@dataclass
class Editing:
    """What is open in the edit: the step whose arguments or whose rejection is being typed, and what is wrong."""

    step: str = ""
    mode: str = ""  # args, reject
    draft: EditInProgress | None = None
    message: str = ""
    error: str = ""
    note: str = ""  # what the last change took along


class PlanView:
    """The plan of a card for one person; with a wish, as it would be."""

    def __init__(
        self,
        approval: Approval,
        authority: Authority,
        *,
        wish: Sequence[Mapping[str, Json]] | None = None,
        editing: Editing | None = None,
    ) -> None:
        self.approval = approval
        self.authority = authority
        self.wish = wish
        self.open = editing or Editing()
        self.fresh: Sequence[Mapping[str, Json]] = ()  # what policy says of the steps as edited

    @property
    def editable(self) -> bool:
        return self.wish is not None

    @cached_property
    def shown(self) -> Sequence[Step]:
        """The steps as they stand now, or as the wish has them."""
        stored: list[Step] = list(self.approval.proposal.steps) if self.approval.proposal else []
        if self.wish is None:
            return stored
        stored_by_id = {str(step["id"]): step for step in stored}
        try:
            return [
                _edited_step(stored_by_id[str(step_wish["id"])], step_wish)
                for step_wish in self.wish
                if str(step_wish.get("id")) in stored_by_id
            ]
        except edits.BadEdit as error:
            raise BadPlanEdit from error

    @cached_property
    def removed(self) -> list[str]:
        """The headlines of what the wish leaves out."""
        left = {str(step["id"]) for step in self.shown}
        return [
            str(assessed_step.get("headline", assessed_step["id"]))
            for assessed_step in self._assessed_steps.values()
            if str(assessed_step["id"]) not in left
        ]

    @cached_property
    def lines(self) -> list[PlanStepLine]:
        used = {step.step: step for step in PlannedStep.objects.filter(plan=self.approval).select_related("used_by")}
        own = self._own
        lines = []
        for index, step in enumerate(self.shown):
            name = str(step["id"])
            assessed = self._assessed_steps.get(name, {})
            action, first = plans.action_of(step), plans.action_of(own.get(name, step))
            tier, domain = assessed.get("tier"), assessed.get("domain")
            undo = step.get("undo")
            undoing = plans.action_of({"action": undo}) if isinstance(undo, Mapping) else None
            kind = self._types.get(str(action["name"]))
            lines.append(
                PlanStepLine(
                    number=index + 1,
                    id=name,
                    title=self._headline(action, assessed),
                    facts=facts_of(action["args"], kind.schema if kind else None),
                    assessed=assessed,
                    needs=plans.needs_of(step),
                    dependents=plan_edits.dependents(self.shown, name),
                    undo=str(undoing["name"] or "") if undoing else "",
                    undo_facts=facts_of(undoing["args"]) if undoing else [],
                    verdict=plans.verdict_of(step),
                    message=str(step.get("message") or ""),
                    changes=[change for change in changes_of(first["args"], action["args"]) if change.changed],
                    beyond=tier is not None
                    and not self.authority.reaches(int(str(tier)), str(domain))
                    and not includes_queue(required_stages_of(self.approval), int(str(tier)), str(domain)),
                    used=used.get(name),
                    can_up=plan_edits.may_swap(self.shown, index - 1),
                    can_down=plan_edits.may_swap(self.shown, index),
                )
            )
        return lines

    @property
    def changed(self) -> bool:
        """Whether the wish differs from what stands."""
        proposal = self.approval.proposal
        return self.wish is not None and proposal is not None and list(self.shown) != list(proposal.steps)

    @property
    def wish_json(self) -> str:
        return json.dumps(self.wish, ensure_ascii=False) if self.wish is not None else ""

    def step(self, name: str) -> Step | None:
        return next((step for step in self.shown if str(step["id"]) == name), None)

    def draft_of(self, name: str, posted: Mapping[str, str] | None = None) -> EditInProgress:
        """The edit of a step's arguments as it stands in the wish, or as it was posted. Raises BadPlanEdit."""
        proposal = self.approval.proposal
        stored = next((step for step in proposal.steps if step["id"] == name), None) if proposal else None
        if stored is None or self.step(name) is None:
            raise BadPlanEdit
        action = plans.action_of(stored)
        kind = self._types.get(str(action["name"]))
        schema = kind.schema if kind else {}
        try:
            if posted is not None:
                return editing.posted_draft(schema, (action["args"],), posted)
            wish = next(step for step in self.wish or () if step["id"] == name)
            return editing.draft_of(schema, (action["args"],), edits=edits.read_operations(wish.get("edits", [])))
        except (editing.NoEdit, edits.BadEdit) as error:
            raise BadPlanEdit from error

    @cached_property
    def _types(self) -> Mapping[str, "TypePolicy"]:
        return snapshot.load(self.approval.policy_id).types

    @cached_property
    def _assessed_steps(self) -> dict[str, Mapping[str, Json]]:
        proposal = self.approval.proposal
        stored = proposal.assessed if proposal else ()
        return {str(step["id"]): step for step in (*stored, *self.fresh)}

    @cached_property
    def _own(self) -> dict[str, Step]:
        """The steps as the agent proposed them."""
        own = self.approval.proposals.filter(author=None).order_by("-revision").first()
        return {str(step["id"]): step for step in own.steps} if own else {}

    def _headline(self, action: Mapping[str, Json], assessed: Mapping[str, Json]) -> str:
        kind = self._types.get(str(action["name"]))
        return (
            schema.headline(kind.headline, action["args"]) if kind else str(assessed.get("headline") or action["name"])
        )


def unchanged_edits(approval: Approval) -> list[dict[str, Json]]:
    """The wish that changes nothing: what an edit starts from."""
    step_wishes: list[dict[str, Json]] = []
    for step in approval.proposal.steps if approval.proposal else []:
        step_wish: dict[str, Json] = {"id": str(step["id"])}
        if plans.verdict_of(step) == Verdict.REJECT:
            step_wish |= {"verdict": Verdict.REJECT.value, "message": step.get("message")}
        step_wishes.append(step_wish)
    return step_wishes


def read_step_edits(text: str) -> list[dict[str, Json]]:
    """The wish that a form carried. Raises BadPlanEdit."""
    try:
        step_wishes = json.loads(text) if len(text) <= LONGEST else None
        if not isinstance(step_wishes, list) or not all(
            isinstance(step_wish, dict) and isinstance(step_wish.get("id"), str) for step_wish in step_wishes
        ):
            raise BadPlanEdit
        for step_wish in step_wishes:
            edits.read_operations(step_wish.get("edits", []))
    except (ValueError, RecursionError):
        raise BadPlanEdit from None
    return step_wishes


def with_arguments(view: PlanView, name: str, draft: EditInProgress) -> list[dict[str, Json]]:
    """The wish with this edit of a step's arguments."""
    listed: list[Json] = [operation.as_json() for operation in draft.edits]
    changed: dict[str, Json] = {"id": name, "edits": listed} if listed else {"id": name}
    return [changed if step["id"] == name else dict(step) for step in view.wish or ()]


def with_step_removed(view: PlanView, name: str) -> tuple[list[dict[str, Json]], str]:
    """The wish with a step and what depends on it taken out, and the sentence that names those."""
    takes = plan_edits.dependents(view.shown, name)
    gone = {name, *takes}
    return [dict(step) for step in view.wish or () if str(step["id"]) not in gone], _dependents_sentence(takes)


def with_step_rejected(view: PlanView, name: str, message: str) -> tuple[list[dict[str, Json]], str]:
    """The wish with a step rejected; what depends on it is rejected for that reason."""
    takes = plan_edits.dependents(view.shown, name)
    because = _("depends on %(step)s, which was rejected") % {"step": name}
    step_wishes: list[dict[str, Json]] = []
    for step_wish in view.wish or ():
        if str(step_wish["id"]) in (name, *takes):
            text = message if str(step_wish["id"]) == name else because
            step_wishes.append({"id": step_wish["id"], "verdict": Verdict.REJECT.value, "message": text})
        else:
            step_wishes.append(dict(step_wish))
    return step_wishes, _dependents_sentence(takes)


def with_step_moved(view: PlanView, name: str, by: int) -> list[dict[str, Json]]:
    """The wish with a step one place up (-1) or down (1), where its dependencies allow that."""
    step_wishes = [dict(step) for step in view.wish or ()]
    index = next((number for number, step_wish in enumerate(step_wishes) if step_wish["id"] == name), None)
    if index is None or not plan_edits.may_swap(view.shown, min(index, index + by)):
        return step_wishes
    step_wishes[index], step_wishes[index + by] = step_wishes[index + by], step_wishes[index]
    return step_wishes


def _dependents_sentence(takes: Sequence[str]) -> str:
    if not takes:
        return ""
    return _("Goes with it, since it depends on it: %(steps)s.") % {"steps": ", ".join(takes)}


def _edited_step(step: Step, step_wish: Mapping[str, Json]) -> Step:
    kept = {name: value for name, value in step.items() if name not in ("verdict", "message")}
    if step_wish.get("verdict") == Verdict.REJECT:
        return {**kept, "verdict": Verdict.REJECT.value, "message": step_wish.get("message")}
    if step_wish.get("edits"):
        action = plans.action_of(step)
        args = edits.apply(action["args"], edits.read_operations(step_wish["edits"]))
        return {**kept, "action": {**action, "args": args}, "verdict": Verdict.MODIFY.value}
    if plans.verdict_of(step) == Verdict.MODIFY:
        return {**kept, "verdict": Verdict.MODIFY.value}
    return kept


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list | tuple) else []
