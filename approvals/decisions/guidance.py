"""Guidance: a reviewer's advice for a running agent, in free text. It is no condition of a verdict."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from approvals.db import bulk, times
from approvals.db.ids import new_id
from approvals.errors import BadVerdict, NotAllowed
from approvals.history import audit
from approvals.history.facts import Guided
from approvals.models import Approval, Decision, Guidance, Run, User
from approvals.notify import outbox
from approvals.people import access
from approvals.values import texts
from approvals.values.schema import Fault, Json

_LOOKED_AT = 50  # approvals of a run, newest first, for one that the person may decide


@transaction.atomic
def give(run_id: UUID, *, by: User, text: str, approval_id: UUID | None = None) -> Guidance:
    """Advise the agent of a run, about one approval in it or about the run. Raises NotAllowed, BadVerdict.

    Whoever may decide an approval of the run may advise its agent; who operates the agent may not.
    """
    now = times.now()
    clean_text = text.strip()
    if not clean_text:
        raise BadVerdict([Fault("/text", _("Write something first."))])
    if faults := texts.too_long("/text", clean_text):
        raise BadVerdict(faults)
    approval = _approval_to_advise_on(run_id, by=by, approval_id=approval_id, now=now)
    run = Run.objects.get(pk=run_id)
    if run.stopped_at is not None:
        raise NotAllowed(_("This run was ended; nobody reads advice for it."))
    given = Guidance.objects.create(run=run, approval_id=approval_id, user=by, text=clean_text, given_at=now)
    # History is kept by approvals: advice for the whole run stands in that of its newest one.
    audit.move_one(
        audit.Move(
            approval.pk,
            Guided(guidance=given.pk, run=run.key),
            audit.Actor.person(by),
            expect={},
        ),
        now=now,
    )
    _tell([(given, approval)])
    return given


def _approval_to_advise_on(run_id: UUID, *, by: User, approval_id: UUID | None, now: datetime) -> Approval:
    of_run = Approval.objects.filter(request__run=run_id).order_by("-created_at", "-pk")
    approvals = of_run.filter(pk=approval_id) if approval_id else of_run
    for approval in approvals.select_related("request", "tier", "proposal").defer("assessment")[:_LOOKED_AT]:
        if "guide" in access.actions_for(approval, by, now=now):
            return approval
    raise NotAllowed


def may_advise(run_id: UUID, user: User) -> bool:
    """True where this person may advise the agent of this run."""
    try:
        _approval_to_advise_on(run_id, by=user, approval_id=None, now=times.now())
    except NotAllowed:
        return False
    return True


def send_released(approvals: Sequence[Approval], *, now: datetime) -> None:
    """What was advised with these verdicts goes to their runs: not before the agent may know the verdict."""
    advised = list(
        Decision.objects.filter(approval__in=approvals, undone_at=None, approval__request__run__isnull=False)
        .exclude(guidance="")
        .exclude(user=None)
        .select_related("approval__request__run", "user")
    )
    rows = [
        Guidance(
            id=new_id(),
            run=run,
            approval_id=decision.approval_id,
            user=decision.user,
            text=decision.guidance,
            given_at=now,
        )
        for decision in advised
        if (run := decision.approval.request.run) and decision.user
    ]
    bulk.insert(rows)
    _tell([(row, one.approval) for row, one in zip(rows, advised, strict=True)])


def _tell(given: Sequence[tuple[Guidance, Approval]]) -> None:
    keys = dict(Run.objects.filter(pk__in={one.run_id for one, _ in given}).values_list("pk", "key"))
    outbox.publish(
        [
            outbox.AgentMessage(
                approval.agent_id,
                outbox.GUIDED,
                {
                    "guidance": str(guidance.pk),
                    "run": keys[guidance.run_id],
                    "request": str(approval.request_id) if guidance.approval_id else None,
                    "item": approval.item if guidance.approval_id else None,
                },
                approval.pk,
                approval.request.callback_url,
            )
            for guidance, approval in given
        ]
    )


@transaction.atomic
def fetch(run: Run, *, after: UUID | None = None, limit: int = 200) -> list[Guidance]:
    """The advice for a run in the order given, after that of the id; what is fetched first is marked as read."""
    rows = Guidance.objects.filter(run=run).select_related("approval", "user").order_by("given_at", "pk")
    if after is not None:
        # Of another run, or none: there is nothing to be after, and so everything is news.
        last = Guidance.objects.filter(run=run, pk=after).first()
        if last is not None:
            rows = rows.filter(given_at__gte=last.given_at).exclude(given_at=last.given_at, pk__lte=last.pk)
    guidance_list = list(rows[:limit])
    unread = [one.pk for one in guidance_list if one.read_at is None]
    if unread:
        Guidance.objects.filter(pk__in=unread, read_at=None).update(read_at=times.now())
    return guidance_list


def api_guidance(given: Guidance) -> dict[str, Json]:
    """Advice in the words of the API."""
    subject = given.approval
    return {
        "id": str(given.pk),
        "text": given.text,
        "from": given.user.name,
        "given_at": given.given_at.isoformat(),
        "request": str(subject.request_id) if subject else None,
        "item": subject.item if subject else None,
    }
