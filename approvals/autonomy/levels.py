"""Levels of autonomy: how an agent gains one, and how it loses one.

A level is gained band of value by band of value, one at a time, by the signature of a manager who does not operate the
agent, and only where it was earned (`evidence.promotions` counts). It is lost at once. What was seen before a change of
level counts for nothing after it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from approvals.autonomy import breakers, level_alarms
from approvals.db import times
from approvals.errors import NotAllowed, ReviewError
from approvals.history import audit
from approvals.history.chains import Actor
from approvals.history.system_facts import IncidentClosed, LevelLowered, LevelRaised
from approvals.models import Agent, Approval, Autonomy, Breaker, Incident, LevelEvidence, User
from approvals.models.evidence import SEVERE
from approvals.models.policy import Impact, Reversibility
from approvals.models.states import Kind
from approvals.people.authorities import authority_of
from approvals.policy import snapshot
from approvals.policy.compiled_policy import TypePolicy

BANDS = (Impact.LOW, Impact.MEDIUM, Impact.HIGH)
DELTA = 0.05  # a promotion is undeserved with at most this probability
HIGHEST = 4
_COLUMN = {Impact.LOW: "level", Impact.MEDIUM: "level_medium", Impact.HIGH: "level_high"}


class NotEarned(ReviewError):
    """The next level is not earned, or not any more."""


class LevelChanged(ReviewError):
    """The level changed since the page was shown: somebody signed, or the agent lost it."""


class Lack(StrEnum):
    """What keeps a band from its next level."""

    HIGHEST = "highest"  # there is none above for such actions
    LABELS = "labels"  # `number` more without a fault
    OUT_OF_REACH = "out of reach"  # no number of labels is enough
    BAND_BELOW = "band below"  # a band of lower value comes first
    INCIDENT = "incident"  # `number` of high severity are open
    TIME = "time"  # until `at`
    BREAKER = "breaker"


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that a band lacks for its next level."""

    lack: Lack
    number: int | None = None
    at: datetime | None = None


# --- Rows


@transaction.atomic
def row_of(agent: UUID, action_type: str, version: tuple[str, str, str], *, level: int) -> Autonomy:
    """The locked row of a version; a new one starts where the newest one stands, else at this level."""
    rows = Autonomy.objects.select_for_update(no_key=True, of=("self",)).select_related("agent", "action_type")
    model, prompt, tools = version
    key = {"agent_model": model, "prompt_version": prompt, "tool_version": tools}
    row = rows.filter(agent=agent, action_type=action_type, **key).first()
    if row is not None:
        return row
    # Of two that come at once the second waits for the first here, and then finds its row.
    Agent.objects.select_for_update(no_key=True).get(pk=agent)
    if row := rows.filter(agent=agent, action_type=action_type, **key).first():
        return row
    newest = rows.filter(agent=agent, action_type=action_type, newest=True).first()
    started = {"level": level}
    if newest is not None:
        started = {name: getattr(newest, name) for name in (*_COLUMN.values(), "shadow")}
        Autonomy.objects.filter(pk=newest.pk).update(newest=False)
    made = Autonomy.objects.create(agent_id=agent, action_type_id=action_type, **key, **started)
    return rows.get(pk=made.pk)


def asks_everything(agent: Agent, kind: TypePolicy) -> bool:
    """Whether its level, in the version that came last, or an open breaker has everything of this kind asked."""
    row = Autonomy.objects.filter(agent=agent, action_type=kind.name, newest=True).first()
    level = min(map(row.level_in, BANDS)) if row else kind.level
    return level <= 1 or breakers.open_over(agent.pk, kind.name).exists()


# --- Gaining one


def may_sign(user: User, agent: Agent) -> bool:
    """Whether this person signs promotions of the agent: a manager who does not operate it."""
    authority = authority_of(user)
    return authority.manager and agent.pk not in authority.operates


def highest_level(kind: TypePolicy, impact: str) -> int:
    """The highest level that this band can have: what cannot be undone, and what the law wants a person for, stay low.

    Level 4 is for low impact; above it, it would be level 3.
    """
    if kind.reversibility == Reversibility.IRREVERSIBLE or kind.by_law:
        return 2
    return HIGHEST if kind.reversibility == Reversibility.REVERSIBLE and impact == Impact.LOW else 3


def missing(
    autonomy: Autonomy,
    evidence: LevelEvidence,
    beside: dict[str, LevelEvidence],
    kind: TypePolicy,
    *,
    open_incidents: int,
    broken: bool,
    now: datetime,
) -> list[Missing]:
    """What one band lacks for its next level; nothing: it can be signed. `beside` is the evidence of all its bands."""
    level = autonomy.level_in(evidence.impact)
    if level >= highest_level(kind, evidence.impact):
        return [Missing(Lack.HIGHEST)]
    lacks = []
    if not evidence.earned and evidence.needed is None:
        unseen = evidence.e > 0 and not evidence.labels
        lacks.append(Missing(Lack.LABELS) if unseen else Missing(Lack.OUT_OF_REACH))
    elif not evidence.earned:
        lacks.append(Missing(Lack.LABELS, evidence.needed))
    if any(_holds_back(autonomy, below, level) for below in _below(evidence.impact, beside)):
        lacks.append(Missing(Lack.BAND_BELOW))
    if open_incidents:
        lacks.append(Missing(Lack.INCIDENT, open_incidents))
    if now < (end := evidence.began_at + kind.level_time):
        lacks.append(Missing(Lack.TIME, at=end))
    if broken:
        lacks.append(Missing(Lack.BREAKER))
    return lacks


def _below(impact: str, beside: dict[str, LevelEvidence]) -> list[LevelEvidence]:
    lower = BANDS[: BANDS.index(Impact(impact))]
    return [evidence for band, evidence in beside.items() if band in lower]


def _holds_back(autonomy: Autonomy, below: LevelEvidence, level: int) -> bool:
    """A band of lower value comes first, unless there is too little of it to earn anything."""
    enough = below.fewest is not None and below.labels >= below.fewest
    return enough and autonomy.level_in(below.impact) <= level


def open_incidents(agent: UUID, action_type: str) -> int:
    """How many of high severity nobody has closed."""
    incidents = Incident.objects.filter(severity__in=SEVERE, closed_at=None)
    return incidents.filter(approval__agent=agent, approval__action_type=action_type).count()


@transaction.atomic
def sign(evidence_id: int, *, by: User, from_level: int) -> LevelEvidence:
    """Raise one band of a version by one level; `from_level` is what the page showed.

    Raises NotAllowed, LevelChanged, NotEarned.
    """
    now = times.now()
    pk = LevelEvidence.objects.values_list("autonomy_id", flat=True).get(pk=evidence_id)
    autonomy = _locked(pk)
    if not may_sign(by, autonomy.agent):
        raise NotAllowed(_("A manager who does not operate the agent signs a promotion."))
    beside = {evidence.impact: evidence for evidence in autonomy.evidence.all()}
    evidence = next(evidence for evidence in beside.values() if evidence.pk == evidence_id)
    level = autonomy.level_in(evidence.impact)
    if level != from_level:
        raise LevelChanged(_("The level is %(level)d by now. Look at it again.") % {"level": level})
    kind = snapshot.current().types.get(autonomy.action_type_id)
    lacks = kind is None or missing(
        autonomy,
        evidence,
        beside,
        kind,
        open_incidents=open_incidents(autonomy.agent_id, autonomy.action_type_id),
        broken=breakers.open_over(autonomy.agent_id, autonomy.action_type_id).exists(),
        now=now,
    )
    if kind is None or lacks:
        raise NotEarned(_("The next level is not earned any more. Look at it again."))
    facts = LevelRaised(
        version=autonomy.version,
        impact=evidence.impact,
        from_level=level,
        to_level=level + 1,
        labels=evidence.labels,
        wrong=evidence.wrong,
        e=evidence.e,
        bar=float(kind.level_bar),
        delta=DELTA,
        careful=evidence.careful,
    )
    _set_levels(autonomy, {Impact(evidence.impact): level + 1}, now=now)
    facts.record(by=audit.Actor.person(by), subject=autonomy.pair)
    return evidence


# --- Losing one


@transaction.atomic
def lower_by_alarm(evidence: LevelEvidence, *, now: datetime) -> None:
    """Lower a band by one level, open the pair's breaker, and tell people: more was wrong than the bar allows."""
    autonomy = _locked(evidence.autonomy_id)
    level = autonomy.level_in(evidence.impact)
    lower = max(level - 1, 1)
    facts = LevelLowered(
        version=autonomy.version,
        impact=evidence.impact,
        from_level=level,
        to_level=lower,
        cause=Breaker.Cause.ALARM.value,
        labels=evidence.labels,
        wrong=evidence.wrong,
    )
    _set_levels(autonomy, {Impact(evidence.impact): lower}, now=now)
    if lower < level:
        _tell(autonomy, facts, audit.POLICY, now=now)
    breakers.open_by_itself(autonomy.agent, autonomy.action_type, cause=Breaker.Cause.ALARM, by=audit.POLICY)


@transaction.atomic
def lower_after_incident(incident: Incident, approval: Approval, *, by: Actor) -> None:
    """An incident of high severity: its version goes to level 1, the pair's breaker opens, and people are told.

    Last in its transaction. Of anything but a real action there is nothing to lose.
    """
    if not incident.severe or approval.kind != Kind.REAL or approval.action_type_id is None:
        return
    now = times.now()
    version = approval.agent_model, approval.prompt_version, approval.tool_version
    kind = snapshot.current().types.get(approval.action_type_id)
    autonomy = row_of(approval.agent_id, approval.action_type_id, version, level=kind.level if kind else 1)
    highest = max(map(autonomy.level_in, BANDS))
    facts = LevelLowered(
        version=autonomy.version,
        from_level=highest,
        to_level=1,
        cause=Breaker.Cause.INCIDENT.value,
        incident=incident.pk,
    )
    _set_levels(autonomy, dict.fromkeys(BANDS, 1), now=now)
    if highest > 1:
        _tell(autonomy, facts, by, now=now)
    breakers.open_by_itself(autonomy.agent, autonomy.action_type, cause=Breaker.Cause.INCIDENT, by=by)


@transaction.atomic
def lower_by_hand(autonomy_id: int, *, by: User, level: int) -> Autonomy:
    """Lower every band that is above this level to it. Raises NotAllowed where nothing would be lower.

    Managers and admins may: less trust is always safe.
    """
    autonomy = _locked(autonomy_id)
    lower = {band: level for band in BANDS if autonomy.level_in(band) > level}
    if not (breakers.may_open(by) and lower and level >= 1):
        raise NotAllowed(_("A level is lowered here by managers and admins, and gained only by a signed promotion."))
    facts = LevelLowered(
        version=autonomy.version,
        from_level=max(map(autonomy.level_in, lower)),
        to_level=level,
        cause=Breaker.Cause.HAND.value,
    )
    now = times.now()
    _set_levels(autonomy, lower, now=now)
    _tell(autonomy, facts, audit.Actor.person(by), now=now)
    return autonomy


@transaction.atomic
def close_incident(incident: Incident, *, by: User) -> bool:
    """Close an incident of high severity, so that it holds up no promotion any more; False where it was closed.

    Raises NotAllowed unless the person signs the agent's promotions.
    """
    approval = incident.approval
    if not may_sign(by, approval.agent):
        raise NotAllowed(_("A manager who does not operate the agent closes an incident."))
    if not Incident.objects.filter(pk=incident.pk, closed_at=None).update(closed_at=times.now(), closed_by=by):
        return False
    IncidentClosed(incident=incident.pk, approval=approval.pk, severity=incident.severity).record(
        by=audit.Actor.person(by), subject=f"autonomy:{approval.agent.name}/{approval.action_type_id}"
    )
    return True


# --- Changing them


def _locked(pk: int) -> Autonomy:
    rows = Autonomy.objects.select_for_update(no_key=True, of=("self",)).select_related("agent", "action_type")
    return rows.get(pk=pk)


def _set_levels(autonomy: Autonomy, new_levels: dict[Impact, int], *, now: datetime) -> None:
    """Set the level of these bands alone; of each that changes, what was seen so far counts no more."""
    levels = {band: new_levels.get(band, autonomy.level_in(band)) for band in BANDS}
    for band, level in levels.items():
        setattr(autonomy, _COLUMN[band], level)
    autonomy.save(update_fields=[*_COLUMN.values(), "changed_at"])
    begin(autonomy, new_levels, now=now)


def begin(autonomy: Autonomy, bands: Iterable[Impact], *, now: datetime) -> None:
    """A level of these bands begins now: what was seen before, or is still to be judged of before, counts no more."""
    fresh = LevelEvidence()
    names = ("labels", "wrong", "e", "needed", "earned", "warned", "may_lose_gate")
    columns = {name: getattr(fresh, name) for name in names} | {"began_at": now, "counts_from": now}
    for band in bands:
        LevelEvidence.objects.update_or_create(columns, autonomy=autonomy, impact=band)


def _tell(autonomy: Autonomy, facts: LevelLowered, by: Actor, *, now: datetime) -> None:
    level_alarms.tell_lowered(autonomy, from_level=facts.from_level, to_level=facts.to_level, now=now)
    facts.record(by=by, subject=autonomy.pair)
