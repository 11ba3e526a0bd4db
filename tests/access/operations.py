"""What one may try on the approval under test, and how one sees that it happened.

The approval waits in tier 2 of commerce and is robot's. R1, R2 and R3 review commerce, RX another domain;
the owner is a tier 3 reviewer who operates robot.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from approvals.db import times
from approvals.decisions import unsent_text
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.models import (
    Absence,
    Approval,
    ApprovalRequest,
    Channel,
    Grant,
    Guidance,
    Overload,
    PostReview,
    Proposal,
    Recall,
    Run,
    Step,
    User,
)
from approvals.requests import attachments

PEOPLE = {
    "R1": "alice",
    "R2": "bob",
    "R3": "carol",
    "RX": "mallory",
    "owner": "olga",
    "manager": "mia",
    "auditor": "otto",
    "admin": "ada",
    "superuser": "root",
    "off": "oscar",
}


DENIED = {302, 401, 403, 404}


SIGNED_IN = "R1 R2 R3 RX owner manager auditor admin superuser"
REVIEWERS = "R1 R2 R3 RX owner manager auditor"


@dataclass(frozen=True)
class Operation:
    """One address: how it is called, who may, and how one sees that it happened."""

    who: str
    call: Callable[[Client, Approval], HttpResponse]
    done: Callable[[Approval, User | None], bool] | None = None
    quiet: bool = False  # a page does it by itself, so a refusal is a silent 204


def get(name: str, *, on: bool = True, **query: str) -> Callable[[Client, Approval], HttpResponse]:
    def call(client: Client, approval: Approval) -> HttpResponse:
        shown = {"version": approval.version} if on else {}
        return client.get(reverse(name, args=[approval.pk] if on else []), {**shown, **query})

    return call


def post(name: str, **data: str) -> Callable[[Client, Approval], HttpResponse]:
    def call(client: Client, approval: Approval) -> HttpResponse:
        form = {"version": approval.version, **data}
        return client.post(reverse(name, args=[approval.pk]), form)

    return call


def batch(client: Client, approval: Approval) -> HttpResponse:
    Approval.objects.filter(pk=approval.pk).update(flagged=0)  # the first of its kind, and then a repetition
    pick = f"{approval.pk}:{approval.version}"
    return client.post(reverse("batch:batch"), {"pick": pick, "verdict": "approve"})


def confirming(client: Client, approval: Approval) -> HttpResponse:
    """A permit of it was used an hour ago, and nobody said what came of it."""
    long_ago = times.now() - timedelta(hours=1)
    Approval.objects.filter(pk=approval.pk).update(
        status="released",
        verdict="approve",
        source="policy",
        decided_at=long_ago,
        released_at=long_ago,
        consumed_at=long_ago,
    )
    form = {"version": approval.version, "ran": "yes", "note": "It is in the ledger."}
    return client.post(reverse("runs:confirm", args=[approval.pk]), form)


def in_a_run(approval: Approval) -> Run:
    run, _ = Run.objects.get_or_create(agent=approval.agent, key="thread-7")
    ApprovalRequest.objects.filter(pk=approval.request_id).update(run=run)
    return run


def its_run(client: Client, approval: Approval) -> HttpResponse:
    return client.get(reverse("runs:run", args=[in_a_run(approval).pk]))


def run_advised(client: Client, approval: Approval) -> HttpResponse:
    return client.post(reverse("runs:guide", args=[in_a_run(approval).pk]), {"guidance": f"for {approval.pk}"})


def run_guided(approval: Approval) -> bool:
    return Guidance.objects.filter(text=f"for {approval.pk}").exists()


def stuck_step(approval: Approval) -> Step:
    """What this approval let run was to be undone, and could not be."""
    run, at = in_a_run(approval), times.now()
    return Step.objects.get_or_create(
        run=run,
        key=str(approval.pk),
        defaults={"approval": approval, "status": "stuck", "undo": {"name": "undo"}, "started_at": at, "done_at": at},
    )[0]


def closing(client: Client, approval: Approval) -> HttpResponse:
    step = stuck_step(approval)
    return client.post(reverse("runs:close", args=[step.run_id, step.pk]), {"note": "by hand"})


def guide(client: Client, approval: Approval) -> HttpResponse:
    in_a_run(approval)
    return post("card:guide", guidance="be brief")(client, approval)


def report_incident(client: Client, approval: Approval) -> HttpResponse:
    if load(approval.pk).status == "pending":
        decide(card_version_of(approval), by=User.objects.get(username="bob"), verdict="approve")
    return post("card:incident", severity="low", text="paid twice")(client, approval)


def snooze(client: Client, approval: Approval) -> HttpResponse:
    return post("card:snooze", until=(times.now() + timedelta(minutes=10)).isoformat())(client, approval)


def attached(client: Client, approval: Approval) -> HttpResponse:
    file, _ = attachments.keep(approval.agent, name="a.txt", claimed="text/plain", content=b"evidence")
    Proposal.objects.filter(approval=approval).update(attachments=[{"id": str(file.pk), "digest": file.digest}])
    return client.get(reverse("card:attachment", args=[approval.pk, file.pk]))


NEXT = {"most": "2", "hours": "1", "tier": "2", "path-0": "amount", "op-0": "le", "value-0": "6000", "on-0": "on"}


def pre_approve_next(client: Client, approval: Approval) -> HttpResponse:
    return post("grants:like", **NEXT)(client, approval)


def new_standing_approval(client: Client, approval: Approval) -> HttpResponse:
    return client.post(reverse("grants:new"), {"agent": approval.agent.name, "action": approval.action_type_id, **NEXT})


def an_absence() -> Absence:
    """Somebody else's, which nobody ends."""
    away, _ = User.objects.get_or_create(username="away", defaults={"email": "away@example.com"})
    when = {"starts_at": times.now(), "ends_at": times.now() + timedelta(days=1)}
    return Absence.objects.get_or_create(user=away, defaults=when)[0]


def gave_standing_approval(approval: Approval, user: User | None) -> bool:
    """Whether this person gave one; it ends here, or the next approval under test would pass by it."""
    return bool(user) and bool(
        Grant.objects.filter(granted_by=user, revoked_at=None).update(revoked_by=user, revoked_at=times.now())
    )


def standing_approval(approval: Approval) -> Grant:
    """A standing approval of Bob's for what the approval under test asks."""
    now = times.now()
    return Grant.objects.get_or_create(
        origin=approval,
        defaults={
            "agent": approval.agent,
            "action_type": approval.action_type,
            "tier_id": 2,
            "most": 2,
            "expires_at": now + timedelta(hours=1),
            "granted_by": User.objects.get(username="bob"),
            "granted_at": now,
        },
    )[0]


def revoking(client: Client, approval: Approval) -> HttpResponse:
    return client.post(reverse("grants:revoke", args=[standing_approval(approval).pk]))


def past_overload(approval: Approval) -> Overload:
    """A time, over by now, in which the queue of the approval under test was full."""
    now = times.now()
    facts = {"mode": "reject", "limit": 1, "refused": 1, "began_at": now - timedelta(hours=1), "ended_at": now}
    Overload.objects.filter(seen_at__isnull=False).delete()
    return Overload.objects.get_or_create(tier_id=2, domain_id="commerce", why="full", defaults=facts)[0]


def acknowledge_overload(client: Client, approval: Approval) -> HttpResponse:
    return client.post(reverse("overload:seen", args=[past_overload(approval).pk]))


def post_review(client: Client, approval: Approval) -> HttpResponse:
    """It ran without a person, and waits for a look."""
    PostReview.objects.get_or_create(
        approval=approval, defaults={"why": "sampled", "tier_id": 2, "domain_id": "commerce", "opened_at": times.now()}
    )
    return client.post(reverse("post_review:find"), {"pick": str(approval.pk), "finding": "ok"})


def reviewed_by(approval: Approval, user: User | None) -> bool:
    return bool(user) and PostReview.objects.filter(pk=approval.pk, by=user).exists()


def keep_unsent(client: Client, approval: Approval) -> HttpResponse:
    person = client.session.get("_auth_user_id", "")
    body = {"approval": str(approval.pk), "slot": "comment", "person": person, "tab": "t", "turn": 1}
    return client.post(reverse("card:unsent"), {**body, "fields": {"text": ["hm"]}}, content_type="application/json")


def discard_unsent(client: Client, approval: Approval) -> HttpResponse:
    """What somebody else typed."""
    author, _ = User.objects.get_or_create(username="author", email="author@example.com")
    text = unsent_text.keep(
        unsent_text.FormKey("comment", approval_id=approval.pk), {"text": ["mine"]}, by=author, tab="t", turn=1
    )
    return client.post(reverse("card:discard_unsent", args=[text.pk]))


def settled(approval: Approval, user: User | None) -> bool:
    return bool(user) and approval.decided_by_id == user.pk


def claimed(approval: Approval, user: User | None) -> bool:
    return bool(user) and approval.claimed_by_id == user.pk


def recalling(client: Client, approval: Approval) -> HttpResponse:
    return client.post(
        reverse("card:recall", args=[approval.pk]), {**recall_body(approval), "version": approval.version}
    )


def recall_body(approval: Approval) -> dict[str, object]:
    """Bob approved it, and nobody has used its permit."""
    for bob in User.objects.filter(username="bob"):
        decide(card_version_of(approval), by=bob, verdict="approve")
    shown = {"revision": approval.revision, "round": approval.round, "digest": approval.digest}
    return {**shown, "reason": "not_needed"}


def recalled_by(approval: Approval, user: User | None) -> bool:
    return bool(user) and Recall.objects.filter(approval=approval, user=user).exists()


def edit_foreign_channel(client: Client, approval: Approval) -> HttpResponse:
    somebody, _ = User.objects.get_or_create(username="somebody", email="somebody@example.com")
    channel, _ = Channel.objects.get_or_create(user=somebody, service="mail")
    return client.post(reverse("profile:channel", args=[channel.pk]), {"carries": "off"})
