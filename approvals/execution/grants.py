"""Standing approvals: given by a reviewer within the own authority, revoked at once, and shown wherever they applied.

What they cover is read in `policy.pre_approvals`, their uses are taken in `pre_approval_uses`, and uses that were made
while we were out of reach come in through `offline_grants`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from approvals.db import times
from approvals.db.ids import new_id
from approvals.decisions.card_version import CardVersion, load
from approvals.decisions.decide import decide
from approvals.decisions.revise import reevaluate
from approvals.decisions.verdict_input import VerdictInput
from approvals.errors import LacksFactor, NotAllowed, ReviewError
from approvals.history import audit
from approvals.history.facts import Granted
from approvals.models import Agent, Approval, Grant, Rule, User
from approvals.models.policy import Gate, Reversibility, Verdict
from approvals.models.states import Route
from approvals.people import access, authorities
from approvals.policy import grant_conditions, messages, snapshot
from approvals.policy.compiled_policy import TypePolicy
from approvals.policy.rules import fit
from approvals.policy.rules.expressions import BadExpression, compiled_expression
from approvals.requests.submission import RESERVED
from approvals.values.schema import Fault, Json

MOST = 1000  # uses
LONGEST = timedelta(days=90)
LONGEST_REASON = 300


class BadGrant(ReviewError):
    """A standing approval that cannot be given; each fault names its field."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(" ".join(fault.message for fault in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class GrantRequest:
    """What shall pass: an agent's action where all conditions and the expression hold, so often, until then.

    `tier` is the highest that a case may need; `reserved` of the uses are for while the agent cannot reach us.
    """

    agent: UUID
    action: str
    most: int
    expires_at: datetime
    tier: int
    conditions: Sequence[Mapping[str, Json]] = field(default_factory=tuple)
    expression: str = ""
    reserved: int = 0
    reason: str = ""


@transaction.atomic
def give(wish: GrantRequest, *, by: User, origin: Approval | None = None) -> Grant:
    """Give a standing approval; `origin` is the approval whose card it was given on. Raises NotAllowed, BadGrant."""
    now = times.now()
    kind = snapshot.current().types.get(wish.action)
    if kind is None or wish.action in RESERVED.values():
        raise BadGrant([Fault("/action", _("There is no such action."))])
    authority = authorities.authority_of(by)
    if authority.reaches(1, kind.domain) and any(tier <= wish.tier for tier in authority.lacks_factor):
        raise LacksFactor
    if not authority.decides(1, kind.domain, wish.agent):
        raise NotAllowed
    if not Agent.objects.filter(pk=wish.agent).exists():
        raise BadGrant([Fault("/agent", _("There is no such agent."))])
    faults = _faults(wish, kind, authority, now=now)
    if origin is not None:
        # Held to the end: whoever takes the verdict back, or withdraws the request, finds what was given with it.
        Approval.objects.select_for_update(of=("self",)).get(pk=origin.pk)
        if not _may_give_on(origin, by):
            raise NotAllowed
    if not faults and origin is not None:
        faults = _origin_faults(wish, origin, now=now)
    if faults:
        raise BadGrant(faults)
    grant = Grant.objects.create(
        id=new_id(),
        agent_id=wish.agent,
        action_type_id=wish.action,
        conditions=[dict(condition) for condition in wish.conditions],
        expression=wish.expression,
        tier_id=wish.tier,
        most=wish.most,
        reserved=wish.reserved,
        expires_at=wish.expires_at,
        reason=wish.reason.strip()[:LONGEST_REASON],
        origin=origin,
        granted_by=by,
        granted_at=now,
    )
    if origin is not None:
        _tell(origin, Granted(grant=grant.pk, most=grant.most, until=grant.expires_at), by=by, now=now)
    return grant


@transaction.atomic
def approve_and_give(
    seen: CardVersion, wish: GrantRequest, *, by: User, verdict_input: VerdictInput
) -> tuple[Approval, Grant]:
    """Approve what a card shows, and the next ones like it, in one step: both or neither.

    Raises what decide and give raise.
    """
    approved = decide(seen, by=by, verdict=Verdict.APPROVE, verdict_input=verdict_input)
    return approved, give(wish, by=by, origin=approved)


@transaction.atomic
def revoke(grant_id: UUID, *, by: User) -> Grant:
    """End a standing approval now; one that was revoked before stays so. Raises NotAllowed."""
    now = times.now()
    grant = Grant.objects.select_related("action_type", "origin", "agent").get(pk=grant_id)
    if not could_give(grant, authorities.authority_of(by)):
        raise NotAllowed
    revoked = Grant.objects.filter(pk=grant_id, revoked_at=None).update(revoked_at=now, revoked_by=by)
    if revoked and grant.origin is not None:
        _tell(grant.origin, Granted(grant=grant.pk, revoked=True), by=by, now=now)
    grant.refresh_from_db()
    return grant


def could_give(grant: Grant, authority: authorities.Authority) -> bool:
    """Whether this person could give it now, and so may revoke it; never an operator of its agent."""
    return authority.decides(grant.tier_id, grant.action_type.domain_id, grant.agent_id)


def visible_to(user: User, authority: authorities.Authority | None = None) -> QuerySet[Grant]:
    """Standing approvals in this person's domains and of agents they operate; all, for managers and auditors."""
    authority = authority or authorities.authority_of(user)
    grants = Grant.objects.select_related("agent", "action_type__domain", "tier", "granted_by", "revoked_by")
    if authority.sees_all:
        return grants
    condition = Q(agent__in=authority.operates)
    for _level, domain in authority.posts:
        condition |= Q(action_type__domain=domain) if domain else ~Q(pk=None)
    return grants.filter(condition)


def in_force(*, now: datetime) -> Q:
    """Those that could still let something pass."""
    return Q(revoked_at=None, expires_at__gt=now, used__lt=F("most"))


def refusal(kind: TypePolicy) -> str:
    """Why nothing of an action type may be approved beforehand; "" where it may."""
    if kind.name in RESERVED.values():
        return _("Questions and plans are answered one by one.")
    if kind.reversibility == Reversibility.IRREVERSIBLE:
        return _("This action cannot be undone, so a person always decides.")
    if kind.by_law:
        return _("The law wants a person for this each time.")
    if kind.gate == Gate.MANUAL:
        return _("This action asks for a typed value each time.")
    if kind.approvers > 1:
        return _("Several people must approve this action each time.")
    return ""


def offline_refusal(kind: TypePolicy) -> str:
    """Why nothing of an action type runs unasked while nobody can be asked; "" where it may."""
    if refusal(kind):
        return refusal(kind)
    if kind.reversibility != Reversibility.REVERSIBLE:
        return _("Only what can be undone may run while nobody can be asked.")
    asking = [
        rule.name
        for rule in kind.rules
        if rule.effect != Rule.Effect.FLAG or rule.tier or rule.approvers > 1 or rule.stages or rule.typed
    ]
    if asking:
        return _("The rule %(rule)s cannot be evaluated while Assent is out of reach.") % {"rule": asking[0]}
    return ""


# --- What a standing approval must be


def _faults(wish: GrantRequest, kind: TypePolicy, authority: authorities.Authority, *, now: datetime) -> list[Fault]:
    refused = refusal(kind)
    if refused:
        return [Fault("/action", refused)]
    faults = grant_conditions.faults_of(list(wish.conditions), kind.schema)
    faults += _expression_faults(wish, kind)
    if not authority.reaches(wish.tier, kind.domain):
        faults.append(Fault("/tier", _("Tier %(tier)d of this field is above yours.") % {"tier": wish.tier}))
    elif wish.tier < kind.tier:
        faults.append(Fault("/tier", _("This action needs tier %(tier)d at least.") % {"tier": kind.tier}))
    if not 1 <= wish.most <= MOST:
        faults.append(Fault("/most", _("From 1 to %(most)d.") % {"most": MOST}))
    if not now < wish.expires_at <= now + LONGEST:
        faults.append(Fault("/expires_at", _("Ahead, and at most %(days)d days.") % {"days": LONGEST.days}))
    if not 0 <= wish.reserved <= wish.most:
        faults.append(Fault("/reserved", _("At most as many as there are uses.")))
    elif wish.reserved and offline_refusal(kind):
        faults.append(Fault("/reserved", offline_refusal(kind)))
    elif wish.reserved and wish.expression:
        faults.append(Fault("/reserved", _("An expression cannot be evaluated offline; use conditions alone.")))
    return faults


def _expression_faults(wish: GrantRequest, kind: TypePolicy) -> list[Fault]:
    if not wish.expression.strip():
        return [Fault("/expression", _("Leave it empty, or write an expression."))] if wish.expression else []
    try:
        wrong = fit.unfit(compiled_expression(wish.expression), kind.schema, kind.title)
    except BadExpression as error:
        wrong = [error]
    return [Fault("/expression", str(one)) for one in wrong]


def _may_give_on(origin: Approval, by: User) -> bool:
    return "grant" in access.actions_for(load(origin.pk), by)


def _origin_faults(wish: GrantRequest, origin: Approval, *, now: datetime) -> list[Fault]:
    """Given on a card, it must be about what the card shows, and not against what policy says today."""
    proposal = origin.proposal
    if proposal is None or (origin.agent_id, proposal.name) != (wish.agent, wish.action):
        raise NotAllowed
    if not grant_conditions.all_hold(wish.conditions, proposal.args):
        return [Fault("/conditions", _("This does not cover the request on the card."))]
    routing = reevaluate(origin, proposal, snapshot.current(), now=now).routing
    if routing.route == Route.REJECT:
        why = "; ".join(map(messages.sentence, routing.reasons))
        return [Fault("/action", _("Policy refuses this: %(why)s") % {"why": why})]
    if routing.tier > wish.tier:
        return [Fault("/tier", _("The request on the card needs tier %(tier)d.") % {"tier": routing.tier})]
    return []


def _tell(origin: Approval, facts: Granted, *, by: User, now: datetime) -> None:
    audit.move_one(audit.Move(origin.pk, facts, audit.Actor.person(by), expect={}), now=now)
