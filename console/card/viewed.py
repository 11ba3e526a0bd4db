"""Who looks at a card, and what they may do with what it shows."""

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from urllib.parse import urlencode

from approvals.db import times
from approvals.decisions.verdict_input import typed_confirmation_of
from approvals.errors import ended_while_held, held_when_it_ended
from approvals.models import Approval, Proposal, Recall, User
from approvals.models.policy import Gate, Verdict
from approvals.models.states import ItemType, Status
from approvals.people import access, authorities, eligibility
from console.card import stages
from console.inbox import remaining
from console.sign_in import factors


class ViewedApproval:
    """One approval, and what the person who looks at it may do. Each part is read when the template asks for it."""

    def __init__(self, approval: Approval, user: User, *, filters: Mapping[str, str] | None = None) -> None:
        self.approval = approval
        self.user = user
        self.now: datetime = times.now()
        self.filters = dict(filters or {})

    @property
    def proposal(self) -> Proposal | None:
        return self.approval.proposal

    @property
    def title(self) -> str:
        """What the browser's tab says."""
        kind = self.approval.action_type
        if self.content and self.proposal:
            return self.proposal.headline[:1].upper() + self.proposal.headline[1:]
        return kind.title if kind else ""

    @cached_property
    def query(self) -> str:
        """The list's filters, to go on in the same list after the verdict."""
        return f"?{urlencode(self.filters)}" if self.filters else ""

    @cached_property
    def as_shown(self) -> str:
        """The same, with the version that this card shows: for whatever is fetched from it."""
        return f"?{urlencode({**self.filters, 'version': self.approval.version})}"

    @cached_property
    def authority(self) -> authorities.Authority:
        return authorities.authority_of(self.user)

    @cached_property
    def actions(self) -> frozenset[str]:
        return access.actions_for(self.approval, self.user, now=self.now)

    @cached_property
    def content(self) -> bool:
        return access.sees_content(self.approval, self.user, self.authority)

    @property
    def left(self) -> remaining.TimeLeft:
        return remaining.time_left(self.approval, self.now)

    @property
    def pending(self) -> bool:
        return self.approval.status == Status.PENDING

    @property
    def held(self) -> bool:
        return self.approval.status == Status.HELD

    @cached_property
    def recall(self) -> Recall | None:
        """Who took it back after its release, and why."""
        return Recall.objects.select_related("user", "in_place_of").filter(approval=self.approval).first()

    @cached_property
    def ended(self) -> str:
        """How it ended while a verdict was held; empty where none was."""
        held = held_when_it_ended(self.approval) if self.approval.status == Status.CANCELLED else None
        return ended_while_held(held) if held else ""

    @property
    def is_question(self) -> bool:
        return self.approval.item_type == ItemType.QUESTION

    @property
    def is_plan(self) -> bool:
        return self.approval.item_type == ItemType.PLAN

    @property
    def manual(self) -> bool:
        return self.approval.gate == Gate.MANUAL

    @property
    def has_passkey(self) -> bool:
        """Whether its reader can give a passkey in place of the password."""
        return factors.has_factor(self.user, factors.Type.WEBAUTHN)

    @property
    def lacks_factor(self) -> bool:
        """Its reader could decide it with a second factor, and has none."""
        return access.lacks_only_factor(self.approval, self.authority)

    @property
    def typed_confirmation(self) -> bool:
        """Whoever approves it types a value."""
        return eligibility.page_only(self.approval)

    @cached_property
    def stages(self) -> list[stages.StageLine]:
        """Who approves one after the other."""
        return stages.lines_of(self.approval)

    @property
    def sends(self) -> str:
        """What this person's approval does, where it does not simply let it run."""
        return stages.effect_of_approving(self.approval, self.stages) if "approve" in self.verdicts else ""

    @property
    def own_agent(self) -> bool:
        """The viewer operates the agent, and so never decides this."""
        return self.approval.agent_id in self.authority.operates

    @cached_property
    def stands_in_for(self) -> str:
        """In whose place the viewer decides this; empty as oneself."""
        voices = self.authority.delegations_for(self.approval.tier_id, self.approval.domain_id, self.approval.agent_id)
        return ", ".join(dict.fromkeys(voice.name for voice in voices if voice is not None))

    @cached_property
    def in_place_of(self) -> str:
        """In whose place somebody decided it; empty where nobody was away."""
        standing = self.approval.decisions.filter(round=self.approval.round, undone_at=None).exclude(in_place_of=None)
        decision = standing.select_related("in_place_of").first() if self.approval.decided_by_id else None
        return decision.in_place_of.name if decision and decision.in_place_of else ""

    @cached_property
    def claimant(self) -> User | None:
        """Who is reading it now."""
        approval = self.approval
        return approval.claimed_by if approval.claim_until and approval.claim_until > self.now else None

    @property
    def claimed_by_other(self) -> bool:
        return self.claimant is not None and self.claimant.pk != self.user.pk

    @property
    def decides(self) -> bool:
        """True where any verdict is this person's to give now."""
        return bool(self.actions & set(Verdict.values))

    @cached_property
    def verdicts(self) -> frozenset[str]:
        """The verdicts to offer now: none while a colleague reads it, until it is taken over."""
        return frozenset() if self.claimed_by_other else self.actions & frozenset(Verdict.values)

    @property
    def to_type(self) -> str:
        return typed_confirmation_of(self.approval)
