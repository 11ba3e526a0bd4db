"""Standing approvals while we are out of reach: what an agent is given to run by, and what it tells afterwards.

The uses a token carries are set aside when it is given, so that both ways together never exceed the count. Afterwards
each use becomes an approval with its outcome. One that the token did not cover is recorded all the same, as a
violation with an incident: what ran, ran.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import F

from approvals.autonomy import levels
from approvals.db import times
from approvals.errors import ReviewError
from approvals.execution import agent_reports, grants, kill_switch, permits
from approvals.history import audit, recorded
from approvals.history.facts import Consumed, IncidentOpened
from approvals.models import Agent, Approval, Consumption, Decision, Grant, Incident, Outcome
from approvals.models.policy import Gate, Reversibility
from approvals.models.states import Route
from approvals.notify import outbox
from approvals.people import authorities
from approvals.policy import grant_conditions, messages, offline_reasons, reasons, snapshot
from approvals.policy.compiled_policy import Policy, TypePolicy
from approvals.policy.pre_approvals import StandingApproval
from approvals.policy.reasons import Reason
from approvals.policy.routing_codes import POLICY_VIOLATION, PRE_APPROVED
from approvals.policy.routing_decision import Routing
from approvals.requests import intake
from approvals.requests.evaluation import Evaluation
from approvals.requests.submission import Answer, Item, KeyReused, Receipt, Submission
from approvals.values import schema
from approvals.values.schema import Fault, Json

TOKEN = timedelta(hours=24)  # how long an agent may go on without hearing of a revocation
EARLY = timedelta(minutes=5)  # two machines' clocks
_CENT = Decimal("0.01")

Condition = Mapping[str, Json]


class NotReportable(ReviewError):
    """What was used cannot be recorded as it is told."""


@dataclass(frozen=True, slots=True)
class OfflineUse:
    """One thing that ran unasked: when, what, concerning whom as the agent says, and what came of it ("": unknown)."""

    key: str
    at: datetime
    action: str
    args: Json
    digest: str
    subject: str = ""
    outcome: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RecordedUse:
    """What became of a reported use; `faults` name what its standing approval did not cover."""

    use: OfflineUse
    approval: Approval
    faults: tuple[Reason, ...] = ()
    replayed: bool = False


# --- What the agent is given


def grants_with_tokens(by: Agent, *, now: datetime) -> list[tuple[Grant, str | None]]:
    """The standing approvals of an agent in force, each with its token where it may be used offline."""
    policy, stopped = snapshot.current(), kill_switch.standing() is not None
    grant_rows = list(
        Grant.objects.filter(grants.in_force(now=now), agent=by)
        .select_related("action_type", "granted_by")
        .order_by("expires_at", "pk")
    )
    rights = {user: authorities.authority_of(user) for user in {grant_row.granted_by for grant_row in grant_rows}}
    return [
        # What is in an agent's hands already runs on; while everything is stopped nothing is added.
        (grant, None if stopped else token_of(grant, by, policy, now=now))
        for grant in grant_rows
        if grants.could_give(grant, rights[grant.granted_by])
    ]


def token_of(grant: Grant, by: Agent, policy: Policy, *, now: datetime) -> str | None:
    """The signed uses of a standing approval for while we cannot be asked; None where there are none to give."""
    kind = policy.types.get(grant.action_type_id)
    tier = policy.tiers_in(kind.domain).get(grant.tier_id) if kind else None
    if (
        kind is None
        or tier is None
        or grants.offline_refusal(kind)
        or by.paused_at is not None
        or levels.asks_everything(by, kind)
    ):
        return None
    left = grant.reserved - grant.used_offline
    bounds = ceiling(kind, tier.ceiling, policy)
    if left < 1 or bounds is None:
        return None
    claims: dict[str, Json] = {
        "iss": settings.ASSENT_BASE_URL,
        "aud": by.name,
        "jti": str(grant.pk),
        "iat": int(now.timestamp()),
        "exp": int(min(grant.expires_at, now + TOKEN).timestamp()),
        "action": kind.name,
        "schema_version": kind.schema_version,
        "conditions": [*grant.conditions, *bounds],
        # Of all that were set aside: who counts the uses of this id never exceeds it, however many tokens it fetched.
        "most": grant.reserved,
    }
    return permits.signed(claims, permits.GRANT)


def ceiling(kind: TypePolicy, most: Decimal | None, policy: Policy) -> list[Condition] | None:
    """The tier's ceiling as conditions that hold without rates at hand; None where it cannot be said.

    The dearest currency bounds all: less passes than would here, never more.
    """
    if not kind.value_path:
        return []
    currency_conditions: list[Condition] = []
    if kind.currency_path:
        currency_conditions.append({"path": kind.currency_path, "op": "in", "value": sorted(policy.rates)})
    if most is None:
        return currency_conditions
    dearest = max(policy.rates.values(), default=Decimal(1)) if kind.currency_path else Decimal(1)
    if dearest <= 0:
        return None
    bound = format((most / dearest).quantize(_CENT, rounding=ROUND_FLOOR), "f")
    bounds: list[Condition] = [
        {"path": kind.value_path, "op": "le", "value": bound},
        {"path": kind.value_path, "op": "ge", "value": "0"},
    ]
    return bounds + currency_conditions


# --- What the agent tells afterwards


def report(grant: Grant, uses: Sequence[OfflineUse], *, by: Agent) -> list[RecordedUse]:
    """Record the uses of a token, each by itself; a repeat of a key is the one there is.

    Raises KeyReused for a key with another use, NotReportable.
    """
    return [_report(grant, use, by=by) for use in uses]


@transaction.atomic
def _report(grant: Grant, use: OfflineUse, *, by: Agent) -> RecordedUse:
    now = times.now()
    policy = snapshot.current()
    # The row is locked first: of two reports of the last use that was set aside, one exceeds the count.
    grant = Grant.objects.select_for_update(of=("self",)).select_related("granted_by").get(pk=grant.pk)
    name = use.action if use.action in policy.types else grant.action_type_id
    if name not in policy.types:
        raise NotReportable(f"{name} is no action of the policy in force; have it activated, and report again.")
    unstorable = schema.storable(use.args)
    if unstorable:
        raise NotReportable(f"{unstorable[0].pointer or 'The arguments'}: {unstorable[0].message}")
    faults: list[Reason] = []

    def judged(evaluation: Evaluation) -> Evaluation:
        faults.extend(_faults(grant, use, evaluation, by=by, now=now))
        if not faults and not _take_reserved_use(grant):
            faults.append(offline_reasons.NoUsesLeft(grant.reserved))
        return replace(evaluation, routing=_routed(grant, evaluation.routing, faults, use))

    submission = Submission(
        items=(
            Item(
                id=use.key[:200], subject=use.subject, action=name, args=use.args, parsed=not isinstance(use.args, str)
            ),
        ),
        content_hash=schema.digest_of([str(grant.pk), use.action, use.args, use.digest, use.at.isoformat()]),
        key=f"offline:{grant.pk}:{hashlib.sha256(use.key.encode()).hexdigest()}",
    )
    answer: Answer = intake.record(by, submission, judged)
    if isinstance(answer, KeyReused):
        raise answer
    if not isinstance(answer, Receipt):
        raise NotReportable("Another report of the same use is being taken; ask again.")
    approval = answer.approvals[0]
    if answer.replayed:
        stored_reasons = reasons.read(approval.reasons) if approval.route == Route.REJECT else []
        return RecordedUse(use, approval, tuple(stored_reasons), replayed=True)
    if faults:
        _alarm(approval, use, faults, by=by, now=now)
    else:
        _ran(approval, use, by=by, now=times.now())
    return RecordedUse(use, approval, tuple(faults))


def _faults(grant: Grant, use: OfflineUse, evaluation: Evaluation, *, by: Agent, now: datetime) -> list[Reason]:
    """What its token did not cover."""
    all_faults: list[Reason] = []
    if use.action != grant.action_type_id:
        all_faults.append(offline_reasons.NotGivenForAction(use.action[:80]))
    elif faults := _argument_faults(evaluation, use):
        all_faults.append(offline_reasons.ArgumentsOfAnotherAction(faults[0].pointer or "/", faults[0].message))
    if use.digest not in _digests(use, evaluation, by):
        all_faults.append(offline_reasons.AnotherDigest())
    if not grant_conditions.all_hold(grant.conditions, use.args):
        all_faults.append(offline_reasons.ConditionsNotMet())
    ends = min(filter(None, (grant.expires_at, grant.revoked_at)))
    if not grant.granted_at - EARLY <= use.at <= min(ends, now) + (EARLY if ends > now else timedelta(0)):
        all_faults.append(offline_reasons.NotInForce(use.at.astimezone(UTC)))
    if by.paused_at is not None and use.at > by.paused_at:
        all_faults.append(reasons.AgentPaused())
    kind = evaluation.type
    if kind.reversibility != Reversibility.REVERSIBLE or kind.gate == Gate.MANUAL:
        all_faults.append(offline_reasons.NeverUnasked())
    if evaluation.routing.route == Route.REJECT and evaluation.routing.reason_code == POLICY_VIOLATION:
        all_faults += [reason for reason in evaluation.routing.reasons if reason not in all_faults]
    if evaluation.routing.tier > grant.tier_id:
        all_faults.append(offline_reasons.TierOutOfReach(evaluation.routing.tier, grant.tier_id))
    return all_faults


def _argument_faults(evaluation: Evaluation, use: OfflineUse) -> list[Fault]:
    return evaluation.type.check(use.args) if evaluation.item.parsed else [Fault("", "no JSON")]


def _digests(use: OfflineUse, evaluation: Evaluation, by: Agent) -> set[str]:
    """What the digest may be: the agent knew the schema of its token, and only the subject that it stated itself."""
    return {
        schema.action_digest(
            agent=by.name, action=evaluation.type.name, schema_version=version, args=use.args, subject=subject
        )
        for version in range(1, evaluation.type.schema_version + 1)
        for subject in {use.subject, evaluation.subject}
    }


def _take_reserved_use(grant: Grant) -> bool:
    return bool(
        Grant.objects.filter(pk=grant.pk, used_offline__lt=F("reserved")).update(
            used=F("used") + 1, used_offline=F("used_offline") + 1
        )
    )


def _routed(grant: Grant, routing: Routing, faults: Sequence[Reason], use: OfflineUse) -> Routing:
    """A use that was covered passed; one that was not is refused, though it ran."""
    giver = grant.granted_by.name
    held = StandingApproval(
        grant.pk, grant.agent_id, grant.action_type_id, (), "", grant.tier_id, grant.most, giver, grant.granted_at
    )
    at = use.at.astimezone(UTC)
    routing = replace(routing, stages=(), typed=False)  # nobody is asked any more
    if faults:
        return replace(
            routing,
            route=Route.REJECT,
            reason_code=POLICY_VIOLATION,
            reasons=[offline_reasons.RanBeyondApproval(at, giver), *faults],
            grant=held,
            step=None,
            shadowed=None,
        )
    return replace(
        routing,
        route=Route.AUTO,
        reason_code=PRE_APPROVED,
        reasons=[reasons.StandingApprovalGiven(giver, grant.granted_at.date()), offline_reasons.RanOffline(at)],
        grant=held,
        step=None,
        shadowed=None,
    )


def _ran(approval: Approval, use: OfflineUse, *, by: Agent, now: datetime) -> None:
    """Its permit is used up already; its outcome is what the agent says, or unknown and shown as that."""
    jti = Decision.objects.values_list("pk", flat=True).get(approval=approval)
    consumption = Consumption.objects.create(
        approval=approval, jti=jti, agent=by, attempt=use.key[:64], executor="offline", consumed_at=now
    )
    audit.move_one(
        audit.Move(
            approval.pk,
            Consumed(jti=jti, digest=approval.digest),
            audit.Actor.of(by),
            expect={},
            sets={"consumed_at": now},
            digests=recorded.related_digests(use=consumption),
        ),
        now=now,
        ran=True,
    )
    if use.outcome:
        agent_reports.report_outcome(approval, by=by, result=Outcome.Result(use.outcome), detail=use.detail)


def _alarm(approval: Approval, use: OfflineUse, faults: Sequence[Reason], *, by: Agent, now: datetime) -> None:
    text = messages.beyond_standing_approval(use.at.astimezone(UTC), use.outcome, faults)
    incident = Incident.objects.create(approval=approval, severity=Incident.Severity.CRITICAL, text=text[:4000])
    facts = IncidentOpened(incident=incident.pk, severity=incident.severity, offline=True)
    digests = recorded.related_digests(incident=incident)
    audit.move_one(
        audit.Move(approval.pk, facts, audit.Actor.of(by), expect={}, digests=digests),
        now=now,
    )
    outbox.tell_incident(incident, approval)
    levels.lower_after_incident(incident, approval, by=audit.Actor.of(by))
