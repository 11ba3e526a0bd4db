"""What a person gives with a verdict, and what a verdict must carry."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum

from django.utils.translation import gettext as _

from approvals.errors import (
    NotAllowed,
)
from approvals.execution import plans
from approvals.models import Approval, Proposal
from approvals.models.policy import Gate, Verdict
from approvals.models.states import ItemType
from approvals.models.verdict import RejectionReason
from approvals.people import eligibility
from approvals.policy import snapshot
from approvals.values import dialect, schema, texts
from approvals.values.edits import Operation
from approvals.values.schema import Fault, Json


class NoAnswer(Enum):
    """The value that means "no answer was given", since null is an answer."""

    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class VerdictInput:
    """What a person says with a verdict. `message` None: nothing was said; "" is a message.

    To modify, `edits` are operations on the stored arguments, `steps` what becomes of a plan's steps, and `alternative`
    names one the agent offered. `typed_confirmation` is the value that a manual gate or a rule asks to type,
    `freshly_authenticated` that the person proved who they are again; `viewed` is the time in view.
    """

    message: str | None = None
    reason: str = ""
    edits: Sequence[Operation] = ()
    steps: Json = None
    alternative: str = ""
    answer: "Json | NoAnswer" = NoAnswer.NOTHING
    stop: bool = False
    guidance: str = ""
    remember: Json = None
    typed_confirmation: str = ""
    freshly_authenticated: bool = False
    surface: str = "page"
    viewed: timedelta = field(default=timedelta(0))

    def columns_for(self, verdict: str) -> dict[str, object]:
        """The columns of Decision that this input fills for the verdict."""
        answers = verdict == Verdict.ANSWER and not isinstance(self.answer, NoAnswer)
        return {
            "reason": self.reason,
            "message": self.message,
            "answer": self.answer if answers else None,
            "alternative": self.alternative,
            "guidance": self.guidance,
            "stop": self.stop and verdict == Verdict.REJECT,
            "remember": self.remember,
        }


NO_INPUT = VerdictInput()


def verdict_faults(approval: Approval, verdict: str, verdict_input: VerdictInput) -> list[Fault]:
    faults = texts.too_long("/message", verdict_input.message or "")
    faults += texts.too_long("/guidance", verdict_input.guidance)
    if verdict_input.reason and verdict_input.reason not in RejectionReason.values:
        faults.append(Fault("/reason", _("This reason is not in the list.")))
    unsaid = not (verdict_input.message or "").strip() and verdict_input.reason in ("", RejectionReason.OTHER)
    if verdict == Verdict.REJECT and reason_required(approval) and unsaid:
        faults.append(Fault("/message", _("A rejection needs a reason: choose one or write one.")))
    if verdict == Verdict.ANSWER and approval.proposal is not None:
        faults += _answer_faults(approval.proposal, verdict_input.answer)
    if verdict_input.remember is not None and verdict_input.remember not in (
        approval.proposal.remember if approval.proposal else ()
    ):
        faults.append(Fault("/remember", _("The agent did not offer this.")))
    if eligibility.page_only(approval) and verdict in (Verdict.APPROVE, Verdict.MODIFY):
        faults += _confirmation_faults(approval, verdict_input)
    return faults


def _answer_faults(proposal: Proposal, answer: "Json | NoAnswer") -> list[Fault]:
    """Why an answer is refused: agents cannot recover from one that their own schema does not allow."""
    if isinstance(answer, NoAnswer):
        return [Fault("/answer", _("Give an answer."))]
    if not proposal.schema and isinstance(answer, str) and not answer.strip():
        return [Fault("/answer", _("An answer cannot be empty."))]
    return [replace(fault, pointer=f"/answer{fault.pointer}") for fault in dialect.check(proposal.schema, answer)]


def reason_required(approval: Approval) -> bool:
    """Whether a rejection needs a reason, by the policy under which the approval arrived."""
    kind = snapshot.type_of(approval)
    return kind is None or kind.reason_required


def _confirmation_faults(approval: Approval, verdict_input: VerdictInput) -> list[Fault]:
    """A manual gate asks for the value and the password again, a rule for the value alone; both on the page only."""
    manual = approval.gate == Gate.MANUAL
    if verdict_input.surface != "page":
        asks = _("This needs the page: it asks to type a value and to sign in again.")
        raise NotAllowed(asks if manual else _("This needs the page: it asks to type a value."))
    faults = []
    if verdict_input.typed_confirmation.strip() != typed_confirmation_of(approval):
        faults.append(
            Fault("/typed", _("Type %(value)s exactly as shown.") % {"value": typed_confirmation_of(approval)})
        )
    if manual and not verdict_input.freshly_authenticated:
        faults.append(Fault("/password", _("Give your password again.")))
    return faults


def typed_confirmation_of(approval: Approval) -> str:
    """What whoever approves it is asked to type: the value, else whom it concerns, else the action's name."""
    kind, proposal = approval.action_type, approval.proposal
    if kind is None or proposal is None:
        return approval.subject
    if approval.item_type == ItemType.PLAN:
        return plans.to_type(approval, proposal)
    for path in (kind.value_path, kind.subject_path):
        picked = schema.pick(proposal.args, path) if path else None
        if picked is not None:
            return str(picked)
    return kind.name
