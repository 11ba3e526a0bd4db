"""Builders for policy: an action type, a proposal, a past. Everything is ordinary unless a test says otherwise."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from uuid import UUID

import pytest

from approvals.db.ids import new_id
from approvals.models import Agent, Approval, ApprovalRequest, User
from approvals.policy import snapshot
from approvals.policy.assessed import Assessment
from approvals.policy.assessment import EvaluationInput
from approvals.policy.authoring import fields, packs
from approvals.policy.compiled_policy import Policy, RulePolicy, TierPolicy, TypePolicy
from approvals.policy.rules import expressions
from approvals.policy.rules.expressions import compiled_expression
from approvals.values.schema import Validator, digest_of

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
ROBOT = UUID(int=7)


@pytest.fixture
def now():
    return NOW


@pytest.fixture
def rule():
    """rule("value > 250.0", tier=2): a rule as the snapshot holds it."""

    def make(when, **changes):
        facts = {"effect": "review", "tier": None, "approvers": 1, "message": "Because.", **changes}
        return RulePolicy(name=facts.pop("name", when), when=when, expression=compiled_expression(when), **facts)

    return make


@pytest.fixture
def kind():
    """kind(strategy="risk"): an action type as the snapshot holds it; a reversible refund by confidence."""

    def make(**changes):
        facts = {
            **{field.name: field.loaded({}) for field in fields.ACTION_TYPE},
            "name": "refund",
            "title": "Refund",
            "headline": "refund {amount} to {order}",
            "domain": "commerce",
            "schema": {"type": "object"},
            "reversibility": "reversible",
            "strategy": "confidence",
            "tier": 1,
            "allowed": ("approve", "modify", "reject"),
            "level": 2,
            "auto_threshold": Decimal("0.85"),
            "review_threshold": Decimal("0.60"),
            "flags": (),
            "required": (),
            "value_path": "amount",
            "subject_path": "order",
            "subject_kind": "order",
            "expires_after": timedelta(hours=4),
            "on_timeout": "reject",
            "rules": (),
            "thresholds": {},
            **changes,
        }
        return TypePolicy(**facts, validator=Validator(facts["schema"]))

    return make


@pytest.fixture
def policy():
    """Three tiers with ceilings of 5,000 and 50,000; euros and dollars."""
    tiers = {
        level: TierPolicy(
            level=level,
            name=name,
            ceiling=ceiling,
            sla=timedelta(hours=1),
            hold=timedelta(seconds=5),
            claim=timedelta(minutes=10),
            next=level + 1 if level < 3 else None,
        )
        for level, name, ceiling in [(1, "One", Decimal(5000)), (2, "Two", Decimal(50000)), (3, "Three", None)]
    }
    return Policy(1, types={}, tiers=tiers, rates={"EUR": Decimal(1), "USD": Decimal("0.5")}, base="EUR")


@pytest.fixture
def make_question(kind):
    """ask(args={…}, type=…): a question of the agent called robot, worth 50 unless it says otherwise."""

    def make(type: TypePolicy | None = None, **changes):
        args = changes.pop("args", {"order": "456", "amount": 50})
        facts = {"value": Decimal(50), "digest": digest_of({"args": args}) if changes.get("parsed", True) else "x"}
        return EvaluationInput(
            **{
                "type": type or kind(),
                "agent_id": ROBOT,
                "agent_name": "robot",
                "args": args,
                "now": NOW,
                **facts,
                **changes,
            }
        )

    return make


@pytest.fixture
def make_assessment():
    """weighed(composite="0.90"): an assessment with nothing unusual in it."""

    def make(composite="0.90", own="0.90", **changes):
        bare = Assessment(
            signals=[],
            missing=[],
            composite=Decimal(composite),
            own=Decimal(own),
            without_precedent=None,
            flags=[],
            impact="low",
            matched=[],
            thresholds=(Decimal("0.85"), Decimal("0.60")),
        )
        return replace(bare, **changes)

    return make


@pytest.fixture
def published(db):
    """The pack of commerce in the tables and in force; the agent called robot."""
    packs.load("commerce")
    version = snapshot.publish(by=None, note="commerce")
    return SimpleNamespace(version=version, policy=snapshot.current(), robot=Agent.objects.create(name="robot"))


@pytest.fixture
def past_approval(published):
    """happened("refund", verdict="approve", ago=timedelta(days=1)): something our history holds."""

    def make(name, *, verdict="approve", source="human", ago=timedelta(days=1), times=1, **changes):
        made = []
        for _ in range(times):
            at = NOW - ago
            request = ApprovalRequest.objects.create(
                agent=published.robot,
                content_hash="sha256:0",
                status="decided",
                open_items=0,
                answer="{}",
                created_at=at,
                closed_at=at,
            )
            kind = published.policy.types[name]
            facts = {
                "status": "released" if verdict else "pending",
                "decided_at": at if verdict else None,
                "released_at": at if verdict else None,
                "source": source if verdict else "",
                "decided_by": person() if verdict and source == "human" else None,
            }
            made.append(
                Approval.objects.create(
                    **{
                        "id": new_id(),
                        "request": request,
                        "item": "1",
                        "agent": published.robot,
                        "action_type_id": name,
                        "domain_id": kind.domain,
                        "digest": "sha256:1",
                        "policy": published.version,
                        "route": "review",
                        "gate": "hard",
                        "reversibility": kind.reversibility,
                        "reason_code": "fixed",
                        "tier_id": 1,
                        "on_timeout": "reject",
                        "created_at": at,
                        "verdict": verdict,
                        "event_head": b"",
                        "frequency_key": changes.get("subject", ""),  # without a path of its own the subject is counted
                        **facts,
                        **changes,
                    }
                )
            )
        return made[0] if times == 1 else made

    return make


def person():
    return User.objects.get_or_create(username="alice", defaults={"email": "alice@example.org"})[0]


@pytest.fixture
def compiles(monkeypatch):
    """The texts that the expression compiler was given since the test began, one entry each time."""
    texts = []

    class Counted(expressions.Expression):
        def __init__(self, text):
            texts.append(text)
            super().__init__(text)

    expressions.compiled_expression.cache_clear()
    monkeypatch.setattr(expressions, "Expression", Counted)
    yield texts
    expressions.compiled_expression.cache_clear()
