"""Everything one card shows, read once: what would run, by when, what is odd, why a person, and what happened."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from django.utils.translation import gettext as _

from approvals.decisions import escalation
from approvals.execution import agent_pause
from approvals.models import Approval, Grant, PostReview, SecondAdminRequest, SeededCase
from approvals.models.policy import Silence
from approvals.models.states import DECIDED, Kind
from approvals.people import access, second_admin
from approvals.policy import snapshot
from approvals.policy.compiled_policy import TypePolicy
from approvals.policy.messages import sentence, sentences
from approvals.policy.precedent.signals import LABELS
from approvals.policy.reasons import Reason
from approvals.requests.attachments import IMAGES
from approvals.values.schema import Json
from console.card import questions, reasons, test_cases
from console.card.facts import Fact, changes_of, facts_of, present_and_future
from console.card.permits import Permit, changed_preconditions, permit_of
from console.card.remarks import Conversation
from console.card.repeats import EarlierRejection, earlier_of
from console.card.timeline import Moment, moments_of
from console.card.viewed import ViewedApproval
from console.inbox import rows
from console.plan.plans import PlanView
from console.runs import summaries

SIMILAR = 5


@dataclass(frozen=True, slots=True)
class Signal:
    """One line of the confidence table; a missing signal has no value."""

    title: str
    value: float | None
    weight: float | None
    note: str = ""
    hint: bool = False


class Card(ViewedApproval):
    """One approval as one person sees it now."""

    # --- What will run

    @cached_property
    def facts(self) -> list[Fact]:
        return facts_of(self.proposal.args, self._type.schema if self._type else None) if self.proposal else []

    @property
    def raw(self) -> Json:
        """What would run, or what was asked, as it was sent: for where it cannot be shown as it should be."""
        proposal = self.proposal
        if proposal is None:
            return None
        if self.is_question:
            return {"response_schema": proposal.schema, "best_guess": proposal.best_guess}
        held: Json = proposal.steps if self.is_plan else proposal.args
        return held

    @cached_property
    def touched(self) -> list[Fact]:
        if self.proposal is None or self.proposal.current in (None, {}):
            return []
        facts = present_and_future(self.proposal.current, self.proposal.args)
        return facts if any(fact.changed for fact in facts) else []  # nothing changes: nothing to compare

    @property
    def unchanged(self) -> int:
        return sum(not fact.changed for fact in self.touched)

    @cached_property
    def context(self) -> list[Fact]:
        return facts_of(self.proposal.context) if self.proposal and self.proposal.context else []

    @cached_property
    def labels(self) -> list[Fact]:
        """The agent's own, of the whole request."""
        return facts_of(self.approval.request.labels) if self.approval.request.labels else []

    @cached_property
    def alone(self) -> SecondAdminRequest | None:
        """What one admin alone gave whoever decided this, within the last week."""
        return second_admin.given_alone(self.approval.decided_by, now=self.now)

    @cached_property
    def may_pause(self) -> bool:
        """Whether this person may pause the agent."""
        return agent_pause.pausable_by(self.user, self.authority).filter(pk=self.approval.agent_id).exists()

    @cached_property
    def preconditions(self) -> list[Fact]:
        return facts_of(self.proposal.preconditions) if self.proposal and self.proposal.preconditions else []

    @cached_property
    def revised(self) -> list[Fact]:
        """What this revision changed against the one before it."""
        if self.approval.revision < 2 or self.proposal is None:
            return []
        before = self.approval.proposals.filter(revision__lt=self.proposal.revision).order_by("-revision").first()
        return [change for change in changes_of(before.args, self.proposal.args) if change.changed] if before else []

    @cached_property
    def test_case(self) -> str:
        """What it was, where it was a test case and is over."""
        over = self.approval.shown_kind == Kind.SEEDED
        case = SeededCase.objects.filter(approval=self.approval).first() if over else None
        return test_cases.notice(case) if case else ""

    @cached_property
    def repeat(self) -> EarlierRejection | None:
        """What was rejected before and is proposed once more."""
        return earlier_of(self.approval, self.user, self.authority)

    @property
    def files(self) -> list[Mapping[str, Json]]:
        """What the agent laid beside it: part of what is approved."""
        return self.proposal.attachments if self.proposal else []

    @property
    def images(self) -> frozenset[str]:
        """The kinds of files that are shown and not only listed."""
        return IMAGES

    @cached_property
    def alternatives(self) -> list[tuple[int, str, list[Fact]]]:
        """Other ways the agent offers: number, label, and how its arguments differ."""
        if self.proposal is None:
            return []
        return [
            (
                number,
                str(alternative.get("label", "")),
                [fact for fact in changes_of(self.proposal.args, alternative.get("args")) if fact.changed],
            )
            for number, alternative in enumerate(self.proposal.alternatives)
            if isinstance(alternative, dict)
        ]

    @cached_property
    def guess(self) -> questions.Guess | None:
        """What the agent would answer itself."""
        return questions.guess_of(self.proposal) if self.is_question else None

    @cached_property
    def plan(self) -> PlanView:
        """A plan's steps, as they stand."""
        return PlanView(self.approval, self.authority)

    @cached_property
    def beyond(self) -> list[str]:
        """The steps of a plan that this person may not approve."""
        return access.steps_beyond(self.approval, self.authority) if self.decides else []

    @cached_property
    def by(self) -> Approval | Grant | None:
        """What let it pass beforehand: the approved plan, or the standing approval."""
        return self.approval.plan or self.approval.grant

    @cached_property
    def given(self) -> list[Grant]:
        """The standing approvals that were given on this card."""
        return list(self.approval.granted.select_related("granted_by", "revoked_by").order_by("granted_at"))

    @cached_property
    def offers(self) -> list[tuple[int, list[Fact]]]:
        """What the agent offers to remember with the verdict, opaque to us."""
        return [(number, facts_of(one)) for number, one in enumerate(self.proposal.remember if self.proposal else [])]

    # --- When, and why

    @property
    def silence(self) -> str:
        """What happens when nobody decides."""
        if self.approval.on_timeout == Silence.ESCALATE and not self.approval.tier.next_id:
            return _("If nobody decides, nothing runs.")
        return {
            Silence.REJECT: _("If nobody decides, nothing runs."),
            Silence.ESCALATE: _("If nobody decides, it escalates, and then nothing runs."),
            Silence.APPROVE: _("If nobody decides, it runs."),
            Silence.PROCEED: _("If nobody decides, it runs and is reviewed afterwards."),
            Silence.BEST_GUESS: _("If nobody answers, the agent goes on with its best guess."),
        }[Silence(self.approval.on_timeout)]

    @property
    def escalates(self) -> bool:
        """True where the tier's time ends before the deadline and somebody is next."""
        approval = self.approval
        return bool(
            approval.due_at
            and approval.tier.next_id
            and escalation.escalates(approval)
            and (approval.expires_at is None or approval.due_at < approval.expires_at)
        )

    @property
    def flags(self) -> list[str]:
        """What is unusual; of what came back, only what was not so when it was approved."""
        seen = (
            self.approval.returned_from.assessment.get("flags", [])
            if self.moved and self.approval.returned_from
            else []
        )
        return sentences(flag for flag in self.approval.assessment.get("flags", []) if flag not in seen)

    @cached_property
    def whys(self) -> list[reasons.ShownReason]:
        """The reasons, with every rule that matched and the ones that decided."""
        return reasons.reasons_of(self.approval)

    @cached_property
    def signals(self) -> list[Signal]:
        assessment = self.approval.assessment
        signals = [
            Signal(
                _signal(str(signal.get("name"))),
                signal.get("value"),
                signal.get("weight"),
                sentence(Reason.of_json(signal["note"])),
                not signal.get("ours", True),
            )
            for signal in assessment.get("signals", [])
        ]
        missing = [Signal(_signal(name), None, None) for name in assessment.get("missing", [])]
        return signals + missing

    @property
    def own(self) -> float | None:
        """The composite of our own signals alone."""
        own: float | None = self.approval.assessment.get("own")
        return own

    @property
    def observed(self) -> Mapping[str, Json] | None:
        """What people made of such composites: `share` of `decided`, `own` of them this agent's; None of too few."""
        seen: Mapping[str, Json] | None = self.approval.assessment.get("observed")
        return seen

    @property
    def lowered(self) -> bool:
        """What was observed is less than the composite, so that it counts instead."""
        seen, composite = self.observed, self.approval.assessment.get("composite")
        return seen is not None and composite is not None and seen["share"] < composite

    @property
    def thresholds(self) -> tuple[str, str] | None:
        """Passes from, a person from."""
        match self.approval.assessment.get("thresholds"):
            case {"auto": auto, "review": review}:
                return str(auto), str(review)
            case [auto, review]:
                return str(auto), str(review)
        return None

    @cached_property
    def policy_text(self) -> str:
        """The policy in words, of the version this arrived under."""
        return self._type.policy_text if self._type else ""

    @cached_property
    def _type(self) -> TypePolicy | None:
        return snapshot.type_of(self.approval)

    @cached_property
    def conversation(self) -> Conversation:
        """Questions, advice and harm."""
        return Conversation(self.approval)

    @property
    def can_advise(self) -> bool:
        """With a verdict, or by itself where there is a run that reads it."""
        return "guide" in self.actions or bool(self.verdicts)

    # --- What was

    @cached_property
    def similar(self) -> list[Approval]:
        """What people decided lately of the same kind: about the same subject first, then of the same agent."""
        mine = self.approval
        past = (
            rows.with_row_relations(access.visible_to(self.user, self.authority))
            .filter(action_type_id=mine.action_type_id, status__in=DECIDED, source="human", kind="real")
            .exclude(pk=mine.pk)
            .order_by("-created_at")
        )
        same = list(past.filter(subject=mine.subject)[:SIMILAR]) if mine.subject else []
        if len(same) == SIMILAR:
            return same
        same_ids = {approval.pk for approval in same}
        others = past.filter(agent_id=mine.agent_id)[:SIMILAR]
        return (same + [approval for approval in others if approval.pk not in same_ids])[:SIMILAR]

    @cached_property
    def siblings(self) -> list[Approval]:
        """The other approvals of the same request, answered together with this one."""
        return list(
            rows.with_row_relations(Approval.objects.filter(request_id=self.approval.request_id))
            .exclude(pk=self.approval.pk)
            .order_by("position")[:20]
        )

    @cached_property
    def timeline(self) -> list[Moment]:
        return moments_of(self.approval, content=self.content)

    @cached_property
    def outcome(self) -> object:
        return getattr(self.approval, "outcome", None)

    @cached_property
    def run(self) -> summaries.RunPosition | None:
        """Where it stands in its agent's run."""
        return summaries.position_of(self.approval)

    @cached_property
    def undoing(self) -> list[summaries.PendingUndo]:
        """What a rejection asks the agent to undo."""
        return summaries.pending_undos(self.approval)

    @cached_property
    def permit(self) -> Permit | None:
        return permit_of(self.approval, self.now)

    @cached_property
    def post_review(self) -> PostReview | None:
        """That it ran without a person, and is or was looked at afterwards."""
        return PostReview.objects.select_related("by").filter(pk=self.approval.pk).first()

    @cached_property
    def moved(self) -> list[Fact]:
        """What moved since it was approved before; nothing on a card that did not come back."""
        return changed_preconditions(self.approval) if self.pending else []

    @cached_property
    def next_tier_name(self) -> str:
        following = self.approval.tier.next
        return following.name if following else ""


def _signal(name: str) -> str:
    return str(LABELS.get(name, name.replace("_", " ").capitalize()))
