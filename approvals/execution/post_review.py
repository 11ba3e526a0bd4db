"""Post-review: a person looks at what ran without a person, and says OK or flags a problem.

An objection takes back a permit that nobody has used, and asks for what ran to be undone. Within the window of
something that goes on unless stopped it is a veto: it ends the run, as a reviewer's stop does. People and the clock
may come at once: whoever's UPDATE finds the look open has it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from approvals.db import times
from approvals.decisions.claims import note_of, save_note
from approvals.errors import BadVerdict, NotAllowed, ReviewError
from approvals.execution import incidents, post_review_queue, runs
from approvals.history import audit, recorded
from approvals.history.facts import PostReviewed, Reviewed, Vetoed
from approvals.models import Approval, ApprovalRequest, Outcome, PostReview, Step, User
from approvals.models.states import Status
from approvals.notify import outbox
from approvals.people import authorities, eligibility
from approvals.requests.closing import close_settled
from approvals.requests.withdrawal import NO_VERDICT
from approvals.values import texts
from approvals.values.schema import Fault

OK, FLAGGED = PostReview.Finding.OK, PostReview.Finding.FLAGGED
MOST = 500  # looks at once


class AlreadyReviewed(ReviewError):
    """Somebody else looked first, or the clock ended the window."""

    def __init__(self, audit: PostReview) -> None:
        super().__init__(how_it_ended(audit))


@dataclass(frozen=True, slots=True)
class FindingInput:
    """What goes with a finding. `undo`: ask for what ran to be undone, where a step says how. `severity` opens an
    incident with the same note, empty for none."""

    note: str = ""
    undo: bool = True
    severity: str = ""


@transaction.atomic
def record_finding(
    ids: Collection[UUID], *, by: User, finding: str, finding_input: FindingInput = FindingInput()
) -> list[Approval]:
    """Record what a person found of these approvals; returns those that nobody had looked at before, newest first.

    Raises NotAllowed where one of them is not this person's to look at, BadVerdict for an objection without words,
    AlreadyReviewed where none was left.
    """
    looks = list(
        PostReview.objects.filter(pk__in=ids).select_related("approval", "by").order_by("-opened_at", "-pk")[:MOST]
    )
    authority = authorities.authority_of(by)
    if not looks or not all(post_review_queue.may_review(look, authority) for look in looks):
        raise NotAllowed(_("There is nothing here for you to look at."))
    finding_input = _checked(finding, finding_input)
    now = _lock(looks, finding)
    columns = {"finding": finding, "by": by, "at": now, "note": finding_input.note, "together": len(looks) > 1}
    taken = [look for look in looks if _claim_review(look, columns, now=now)]
    if not taken:
        raise AlreadyReviewed(PostReview.objects.select_related("by").get(pk=looks[0].pk))
    if finding == OK:
        return [_record_ok(one, by=by, note=finding_input.note, now=now) for one in taken]
    return _flag_problems(taken, by=by, finding_input=finding_input, now=now)


def _checked(finding: str, finding_input: FindingInput) -> FindingInput:
    note, faults = finding_input.note.strip(), []
    if finding not in (OK, FLAGGED):
        raise BadVerdict([Fault("/finding", _("Choose OK, or flag a problem."))])
    if finding == FLAGGED and not note:
        faults.append(Fault("/note", _("Say what is wrong; the agent's people read it.")))
    if faults := [*faults, *texts.too_long("/note", note, texts.ACCOUNT)]:
        raise BadVerdict(faults)
    return FindingInput(note, finding_input.undo, finding_input.severity)


def _lock(looks: Sequence[PostReview], finding: str) -> datetime:
    """Hold what the finding changes, to the end of the transaction; returns the time from which it is held.

    Approvals, then runs, then requests, as everywhere. Without their keys: a step that is told of meanwhile names one.
    """
    pks = [look.pk for look in looks]
    list(Approval.objects.filter(pk__in=pks).order_by("pk").select_for_update(no_key=True).values_list("pk"))
    if finding == FLAGGED:
        requests = {look.approval.request_id for look in looks}
        runs.lock(requests)
        list(ApprovalRequest.objects.filter(pk__in=requests).order_by("pk").select_for_update().values_list("pk"))
    return times.now()


def _claim_review(look: PostReview, columns: Mapping[str, object], *, now: datetime) -> bool:
    in_time = ~Q(why=PostReview.Why.VETO) | Q(until__gt=now)
    still = PostReview.objects.filter(in_time, pk=look.pk, finding=PostReview.Finding.OPEN)
    return still.update(**columns) == 1


def _record_ok(look: PostReview, *, by: User, note: str, now: datetime) -> Approval:
    return _record(look, Reviewed(why=look.why, finding=OK), by=by, note=note, now=now)


# --- Objections


def _flag_problems(
    looks: Sequence[PostReview], *, by: User, finding_input: FindingInput, now: datetime
) -> list[Approval]:
    moved = [_flag_problem(look, by=by, finding_input=finding_input, now=now) for look in looks]
    vetoed = {look.run_id: audit.Actor.person(by) for look in looks if look.why == PostReview.Why.VETO and look.run_id}
    ended = runs.end_runs(vetoed, now=now)
    if ended:
        close_settled(ended, now=now)
    _tell(looks, stopped=vetoed.keys())
    if finding_input.severity:
        for approval in moved:
            if eligibility.may_have_run(approval):
                incidents.open_incident(approval, by=by, severity=finding_input.severity, text=finding_input.note)
    return moved


def _flag_problem(look: PostReview, *, by: User, finding_input: FindingInput, now: datetime) -> Approval:
    """One objection: its permit is taken back if nobody used it, else what ran by it is to be undone."""
    approval = Approval.objects.select_related("request").get(pk=look.pk)
    unused = approval.status == Status.RELEASED and approval.consumed_at is None
    permit = undo = None
    sets: dict[str, object] = {"faulted_at": now}
    outcome = None
    if unused:
        permit = "taken back"
        outcome = _skipped_outcome(approval, by=by, now=now)
        sets |= {"status": Status.SKIPPED} if outcome else {"status": Status.CANCELLED, **NO_VERDICT}
    elif finding_input.undo or look.why in post_review_queue.RAN_BEFORE_REVIEW:
        step = Step.objects.filter(approval=approval, status=Step.Status.DONE, undo__isnull=False)
        if step.update(status=Step.Status.UNDOING, undo_asked_at=now):
            undo = "asked"
    kind: type[PostReviewed] = Vetoed if look.why == PostReview.Why.VETO else Reviewed
    facts = kind(why=look.why, finding=FLAGGED, permit=permit, undo=undo)
    return _record(look, facts, by=by, note=finding_input.note, now=now, sets=sets, outcome=outcome)


def _skipped_outcome(approval: Approval, *, by: User, now: datetime) -> Outcome | None:
    """The outcome of an approval whose permit nobody used, where its agent was told of it; None where it was not."""
    request = approval.request
    if request.status == ApprovalRequest.Status.PENDING and request.decide != ApprovalRequest.Decide.INDEPENDENTLY:
        return None
    return Outcome.objects.create(approval=approval, result=Outcome.Result.SKIPPED, reported_at=now, reported_by=by)


def _record(
    look: PostReview,
    facts: PostReviewed,
    *,
    by: User,
    note: str,
    now: datetime,
    sets: dict[str, object] | None = None,
    outcome: Outcome | None = None,
) -> Approval:
    written = note_of(Approval(pk=look.pk), by=by, text=note, now=now) if note else None
    digests = recorded.related_digests(outcome=outcome, note=written)
    move = audit.Move(look.pk, facts, audit.Actor.person(by), {}, sets or {}, digests)
    moved = audit.move_held(move, now=now)
    if written:
        save_note(written, moved)
    return moved


def _tell(looks: Sequence[PostReview], *, stopped: Collection[object]) -> None:
    """Notify the agents. Their requests were closed long ago, so no decision document tells them."""
    approvals = Approval.objects.select_related("request__run").in_bulk([look.pk for look in looks])
    outbox.publish(
        [
            outbox.AgentMessage(
                approval.agent_id,
                outbox.VETOED if look.why == PostReview.Why.VETO else outbox.FLAGGED,
                {
                    "request": str(approval.request_id),
                    "item": approval.item,
                    "run": approval.request.run.key if approval.request.run else None,
                    "stopped": look.run_id in stopped,
                },
                approval.pk,
                approval.request.callback_url,
            )
            for look in looks
            for approval in [approvals[look.pk]]
        ]
    )


def how_it_ended(look: PostReview) -> str:
    """One sentence: who looked at it, or that its time was over."""
    if look.by is None or look.at is None:
        return _("The time to stop it is over.")
    sentence = {
        OK: _("%(who)s looked at this at %(at)s UTC and found it OK."),
        FLAGGED: _("%(who)s flagged a problem here at %(at)s UTC."),
        PostReview.Finding.RECALLED: _("%(who)s recalled this at %(at)s UTC, before it ran."),
    }[PostReview.Finding(look.finding)]
    return sentence % {"who": look.by.name, "at": date_format(look.at, "H:i:s")}
