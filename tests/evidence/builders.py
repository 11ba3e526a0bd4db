"""Approvals as the past left them, written directly: what evidence reads, without going through review."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from approvals.db.ids import new_id
from approvals.evidence import rollups
from approvals.models import (
    ActionType,
    Agent,
    Approval,
    ApprovalRequest,
    AuditEvent,
    Domain,
    PolicyVersion,
    Proposal,
    Seal,
    Tier,
    User,
)
from approvals.policy.authoring.documents import snapshot_of_tables

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class HistoryBuilder:
    """A small house with a past: two agents, two action types, three tiers. `add` writes one approval."""

    policy: PolicyVersion
    domain: Domain
    tiers: dict[int, Tier]
    types: dict[str, ActionType]
    agents: dict[str, Agent]
    added: list[Approval] = field(default_factory=list)

    def add(
        self,
        verdict: str = "",
        *,
        by: User | None = None,
        at: datetime = NOON,
        took: timedelta = timedelta(minutes=10),
        due: timedelta = timedelta(hours=1),
        type: str = "refund",
        agent: str = "robot",
        tiers: Sequence[int] = (1,),
        confidence: str | None = "0.700",
        counted: bool = True,
        **other: object,
    ) -> Approval:
        """One approval that arrived `at`; with a verdict it was decided after `took`, by a person where `by` is one.

        It is counted by the rollups, unless somebody counts later.
        """
        request = ApprovalRequest.objects.create(
            agent=self.agents[agent],
            content_hash="sha256:0",
            status="decided",
            open_items=0,
            answer="{}",
            created_at=at,
            closed_at=at,
        )
        values: dict[str, object] = {
            "status": "released" if verdict else "pending",
            "verdict": verdict,
            "source": "human" if by else "policy" if verdict else "",
            "decided_by": by,
            "decided_at": at + took if verdict else None,
            "released_at": at + took if verdict else None,
            "route": "review",
            "confidence": None if confidence is None else Decimal(confidence),
            "item_type": "action",
        } | other
        approval = Approval.objects.create(
            request=request,
            item="1",
            agent=self.agents[agent],
            action_type=self.types[type],
            domain=self.domain,
            digest="sha256:0",
            allowed=["approve", "modify", "reject"],
            policy=self.policy,
            gate=values.pop("gate", "hard"),
            reversibility="reversible",
            reason_code="fixed",
            tier=self.tiers[tiers[-1]],
            tiers_visited=list(tiers) if values["route"] == "review" else [],
            created_at=at,
            due_at=at + due if values["route"] == "review" else None,
            on_timeout="reject",
            event_head=bytes(32),
            **values,
        )
        proposal = Proposal.objects.create(
            id=new_id(),
            approval=approval,
            revision=1,
            name=type,
            args={"amount": 10},
            digest="sha256:0",
            headline=f"{agent} wants {type} {len(self.added) + 1}",
            created_at=at,
        )
        Approval.objects.filter(pk=approval.pk).update(proposal=proposal)
        approval.proposal = proposal
        self.added.append(approval)
        if counted:
            roll_up([approval])
        return approval

    def add_many(
        self, count: int, people: Sequence[User], *, seed: int = 7, days: int = 30, until: datetime = NOON
    ) -> None:
        """A busy past, the same for the same seed: every route, verdict, source and deadline occurs in it."""
        dice = Random(seed)  # noqa: S311  # made-up history, not a secret
        for _ in range(count):
            at = until - timedelta(days=dice.uniform(0.1, days - 1))
            kind = {"type": dice.choice(["refund", "mail"]), "agent": dice.choice(["robot", "clerk"])}
            confidence = f"{dice.uniform(0.3, 1):.3f}"
            draw = dice.random()
            if draw < 0.15:
                self.add(
                    "approve", at=at, took=timedelta(0), route="auto", confidence=confidence, counted=False, **kind
                )
            elif draw < 0.2:
                self.add(
                    "reject", at=at, took=timedelta(0), route="reject", confidence=confidence, counted=False, **kind
                )
            elif draw < 0.28:
                status = dice.choice(["expired", "pending", "cancelled"])
                breaches = dice.choice([0, 1])
                self.add(at=at, status=status, breaches=breaches, confidence=confidence, counted=False, **kind)
            else:
                self.add(
                    dice.choices(["approve", "modify", "reject", "skip", "answer"], [60, 15, 15, 5, 5])[0],
                    by=dice.choice(people),
                    at=at,
                    took=timedelta(minutes=dice.expovariate(1 / 40)),
                    tiers=dice.choice([(1,), (1,), (1, 2), (2,), (2, 3)]),
                    confidence=confidence,
                    counted=False,
                    item_type="question" if dice.random() < 0.05 else "action",
                    **kind,
                )
        roll_up(self.added)


def roll_up(changed: Iterable[Approval]) -> None:
    """Tell the rollups that these changed, as a sealed event does, and let them be counted."""
    number = Seal.objects.count()
    for approval in changed:
        number += 1
        event = AuditEvent.objects.create(
            approval=approval,
            seq=AuditEvent.objects.filter(approval=approval).count() + 1,
            kind="commented",
            actor="clock",
            at=approval.created_at,
            hash=bytes(32),
        )
        Seal.objects.create(number=number, event=event, hash=bytes(32), sealed_at=approval.created_at)
    while rollups.sweep():
        pass


def history_builder(tiers: dict[int, Tier], domain: Domain) -> HistoryBuilder:
    """The house, empty of history."""
    policy = PolicyVersion.objects.create(number=1, snapshot=snapshot_of_tables(), digest="sha256:0")
    types = {
        name: ActionType.objects.create(
            name=name,
            title=title,
            headline=name,
            domain=domain,
            reversibility="reversible",
            strategy="always",
            tier=tiers[1],
        )
        for name, title in (("refund", "Refund"), ("mail", "Send mail"))
    }
    agents = {name: Agent.objects.create(name=name) for name in ("robot", "clerk")}
    return HistoryBuilder(policy, domain, tiers, types, agents)
