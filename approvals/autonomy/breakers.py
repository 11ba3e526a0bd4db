"""Breakers: while one is open everything of its agent, its action type or the pair asks a person.

It opens by an alarm, by an incident of high severity, or by hand. It closes by a manager alone, who operates none of
the agents concerned, once a declared trial has passed: so many considered decisions with at most so many faults.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext as _

from approvals.autonomy import level_alarms
from approvals.db import bulk, times
from approvals.errors import BadVerdict, NotAllowed, ReviewError
from approvals.history import audit
from approvals.history.chains import Actor
from approvals.history.system_facts import BreakerClosed, BreakerOpened, TrialDeclared
from approvals.models import ActionType, Agent, Approval, Breaker, Decision, User
from approvals.models.policy import Verdict
from approvals.models.states import Kind, Source
from approvals.people.authorities import authority_of
from approvals.policy import snapshot
from approvals.values.schema import Fault

TRIAL = 20, 1  # of so many considered decisions at most so many may be wrong, where nobody declared another
LONGEST_WHY = 500
READ_FOR = timedelta(seconds=2)  # in view at the least, or an approval was not considered; an action type has its own


class TrialNotPassed(ReviewError):
    """The trial has not had enough considered decisions yet, or too many of them were wrong."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How a breaker's trial stands: of `most` considered decisions `wrong` may be at most `allowed`."""

    most: int
    allowed: int
    considered: int
    wrong: int

    @property
    def failed(self) -> bool:
        return self.wrong > self.allowed

    @property
    def passed(self) -> bool:
        return self.considered >= self.most and not self.failed

    @property
    def left(self) -> int:
        return max(self.most - self.considered, 0)


def open_breakers() -> QuerySet[Breaker]:
    """Those that are open now, newest first."""
    return Breaker.objects.filter(closed_at=None)


def open_over(agent: UUID, action_type: str) -> QuerySet[Breaker]:
    """The open ones by which everything of this pair asks a person."""
    return open_breakers().filter(Q(agent=agent) | Q(agent=None), Q(action_type=action_type) | Q(action_type=None))


def trial_of(breaker: Breaker) -> Trial:
    """How its trial stands: decisions of people about what was proposed since it was declared, in that order.

    An approval in a batch, or after less than a glance, is not considered; a rejection counts however quick.
    """
    kind = snapshot.current().types.get(breaker.action_type_id or "")
    least = kind.minimum_view if kind else READ_FOR
    batched = Decision.objects.filter(approval=OuterRef("pk"), undone_at=None, surface="batch")
    decided = Approval.objects.filter(
        Q(verdict=Verdict.REJECT) | (Q(viewed__gte=least) & ~Exists(batched)),
        kind=Kind.REAL,
        source=Source.HUMAN,
        released_at__isnull=False,
        verdict__in=[Verdict.APPROVE, Verdict.MODIFY, Verdict.REJECT],
        created_at__gte=breaker.trial_began_at,
    )
    if breaker.agent_id is not None:
        decided = decided.filter(agent=breaker.agent_id)
    if breaker.action_type_id is not None:
        decided = decided.filter(action_type=breaker.action_type_id)
    verdicts = list(
        decided.order_by("created_at", "pk").values_list("verdict", "faulted_at")[: breaker.trial_decisions]
    )
    wrong = sum(verdict != Verdict.APPROVE or faulted_at is not None for verdict, faulted_at in verdicts)
    return Trial(breaker.trial_decisions, breaker.trial_wrong, len(verdicts), wrong)


# --- Opening


@transaction.atomic
def open_by_itself(agent: Agent, action_type: ActionType, *, cause: Breaker.Cause, by: Actor) -> None:
    """Open the pair's breaker, where it is not open, and tell people. Last in its transaction."""
    most, allowed = TRIAL
    _open(
        Breaker(
            agent=agent,
            action_type=action_type,
            cause=cause,
            trial_decisions=most,
            trial_wrong=allowed,
        ),
        by=by,
    )


@transaction.atomic
def open_by_hand(breaker: Breaker, *, by: User) -> bool:
    """Open a breaker of an agent, an action type or a pair; False where that was open. Raises NotAllowed, BadVerdict.

    Managers and admins may: to have people asked is always safe.
    """
    if not may_open(by):
        raise NotAllowed(_("Managers and admins open a breaker."))
    breaker.cause, breaker.opened_by = Breaker.Cause.HAND, by
    breaker.why = breaker.why.strip()
    _refuse_bad_trial(breaker.trial_decisions, breaker.trial_wrong)
    if not 0 < len(breaker.why) <= LONGEST_WHY:
        raise BadVerdict([Fault("/why", _("Say why, in a few words."))])
    return _open(breaker, by=Actor.person(by))


def may_open(user: User) -> bool:
    """Whether this person may open breakers."""
    return bool(user.is_active and (user.is_manager or user.has_perm("approvals.change_agent")))


def may_close(user: User, breaker: Breaker) -> bool:
    """Whether this person may close it: a manager who operates none of the agents that it holds back."""
    authority = authority_of(user)
    mine = authority.operates if breaker.agent_id is None else authority.operates & {breaker.agent_id}
    return authority.manager and not mine


def _open(breaker: Breaker, *, by: Actor) -> bool:
    breaker.opened_at = breaker.trial_began_at = times.now()
    if not bulk.insert_new([breaker]):
        return False
    level_alarms.tell_opened(breaker, now=breaker.opened_at)
    BreakerOpened(
        breaker=breaker.pk,
        cause=breaker.cause,
        trial_decisions=breaker.trial_decisions,
        trial_wrong=breaker.trial_wrong,
        why=breaker.why or None,
    ).record(by=by, subject=breaker.subject)
    return True


# --- Closing


@transaction.atomic
def close(breaker_id: UUID, *, by: User) -> Breaker:
    """Close it after its trial. Raises NotAllowed, TrialNotPassed; one that is closed stays as it is."""
    breaker = _locked(breaker_id, by=by)
    if breaker.closed_at is not None:
        return breaker
    trial = trial_of(breaker)
    if not trial.passed:
        raise TrialNotPassed(
            _("%(wrong)d of the trial's decisions were wrong; declare another trial.") % {"wrong": trial.wrong}
            if trial.failed
            else _("The trial still lacks %(left)d considered decisions.") % {"left": trial.left}
        )
    breaker.closed_at, breaker.closed_by = times.now(), by
    breaker.save(update_fields=["closed_at", "closed_by"])
    BreakerClosed(breaker=breaker.pk, decisions=trial.considered, wrong=trial.wrong).record(
        by=audit.Actor.person(by), subject=breaker.subject
    )
    return breaker


@transaction.atomic
def declare_trial(breaker_id: UUID, *, by: User, decisions: int, wrong: int) -> Breaker:
    """Start another trial, from now on. Raises NotAllowed, BadVerdict."""
    breaker = _locked(breaker_id, by=by)
    _refuse_bad_trial(decisions, wrong)
    if breaker.closed_at is not None:
        return breaker
    breaker.trial_decisions, breaker.trial_wrong, breaker.trial_began_at = decisions, wrong, times.now()
    breaker.save(update_fields=["trial_decisions", "trial_wrong", "trial_began_at"])
    TrialDeclared(breaker=breaker.pk, trial_decisions=decisions, trial_wrong=wrong).record(
        by=audit.Actor.person(by), subject=breaker.subject
    )
    return breaker


def _locked(breaker_id: UUID, *, by: User) -> Breaker:
    breaker = Breaker.objects.select_for_update(of=("self",)).select_related("agent", "action_type").get(pk=breaker_id)
    if not may_close(by, breaker):
        raise NotAllowed(_("A manager who does not operate the agent closes a breaker."))
    return breaker


def trial_fault(decisions: int, wrong: int) -> str:
    """Why a trial of so many decisions, of which so many may be wrong, proves nothing; empty where it does."""
    if 5 <= decisions <= 500 and 0 <= wrong <= decisions // 4:
        return ""
    return _("From 5 to 500 decisions, of which at most a quarter may be wrong.")


def _refuse_bad_trial(decisions: int, wrong: int) -> None:
    if fault := trial_fault(decisions, wrong):
        raise BadVerdict([Fault("/trial_decisions", fault)])
