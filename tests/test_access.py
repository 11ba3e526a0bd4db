"""Who may do what: every role, operation and surface from one table; an address that stands in no row fails it.

The approval under test waits in tier 2 of commerce and is robot's. R1, R2 and R3 review commerce, RX another domain;
the owner is a tier 3 reviewer who operates robot.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from agents import keys
from approvals.db import times
from approvals.decisions import agent_questions, batches, claims, unsent_text
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.execution import kill_switch
from approvals.models import (
    Absence,
    ActionType,
    Agent,
    AgentQuestion,
    Approval,
    ApprovalRequest,
    Attempt,
    Channel,
    Grant,
    Guidance,
    Outcome,
    Overload,
    PolicyVersion,
    PostReview,
    Proposal,
    Recall,
    Rule,
    Run,
    Step,
    UnsentText,
    User,
)
from approvals.people import roles
from approvals.policy import snapshot
from approvals.policy.authoring import rehearsal_jobs, versions
from approvals.policy.authoring.rehearsal import Period
from approvals.requests import attachments, intake
from approvals.requests.submission import Item, Submission
from console.inbox import live
from tests.addresses import addresses
from tests.conftest import PASSWORD
from tests.text_search import mentions

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
    return client.post(reverse("post_review:find"), {"pick": str(approval.pk), "finding": "fine"})


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


SEES = "R2 R3 owner manager auditor"
PAGES = {
    "inbox:inbox": Operation(SIGNED_IN, get("inbox:inbox", on=False)),
    "inbox:overview": Operation(SIGNED_IN, get("inbox:overview", on=False)),
    "history:history": Operation(SIGNED_IN, get("history:history", on=False)),
    "history:audit_log": Operation("auditor superuser", get("history:audit_log", on=False)),
    "history:verify": Operation("auditor superuser", lambda client, _: client.post(reverse("history:verify"))),
    "history:audit_log_csv": Operation("auditor", get("history:audit_log_csv", on=False)),
    "runs:unconfirmed": Operation(SIGNED_IN, get("runs:unconfirmed", on=False)),
    "runs:confirm": Operation(
        "R2 R3 manager",
        confirming,
        lambda approval, user: bool(user) and Outcome.objects.filter(reported_by=user).exists(),
    ),
    "profile:profile": Operation(SIGNED_IN, get("profile:profile", on=False)),
    "card:card": Operation(f"{SEES} superuser", get("card:card")),
    "card:actions": Operation(SEES, get("card:actions")),
    "card:claimed": Operation(SEES, get("card:claimed")),
    "card:approve": Operation(SEES, get("card:approve")),
    "card:reject": Operation(SEES, get("card:reject")),
    "card:answer": Operation(SEES, post("card:answer", typed="[]")),  # a preview of the form
    "card:modify": Operation(
        "R2 R3", post("card:modify", edits='[{"op": "replace", "path": "/amount", "value": 5999}]'), settled
    ),
    # Previews: they change nothing, and show no more than the card does.
    "card:modify_form": Operation(SEES, post("card:modify_form")),
    "card:modify_diff": Operation(SEES, post("card:modify_diff")),
    "card:decide": Operation("R2 R3", post("card:decide", verdict="approve"), settled),
    "card:recall": Operation("R2 R3", recalling, recalled_by),
    "card:escalate": Operation("R2 R3 owner", post("card:escalate"), lambda approval, _: approval.tier_id == 3),
    "card:claim": Operation("R2 R3", post("card:claim"), claimed, quiet=True),
    "card:comment": Operation(
        "R2 R3 owner manager", post("card:comment", text="hm"), lambda approval, _: approval.notes.exists()
    ),
    "post_review:post_review": Operation(SIGNED_IN, get("post_review:post_review", on=False)),
    "post_review:find": Operation("R2 R3", post_review, reviewed_by),
    "runs:runs": Operation(SIGNED_IN, get("runs:runs", on=False)),
    "runs:run": Operation(SEES, its_run),
    "runs:guide": Operation("R2 R3", run_advised, lambda approval, _: run_guided(approval)),
    "runs:close": Operation(
        "R2 R3 manager", closing, lambda approval, user: bool(user) and stuck_step(approval).closed_by_id == user.pk
    ),
    "card:thread": Operation(SEES, get("card:thread")),
    "card:ask": Operation("R2 R3 owner", post("card:ask", text="?"), lambda approval, _: approval.inquiries.exists()),
    "card:guide": Operation("R2 R3", guide, lambda approval, _: approval.guidance.exists()),
    "card:incident": Operation("R2 R3 manager", report_incident, lambda approval, _: approval.incidents.exists()),
    "card:snooze": Operation("R2 R3", snooze, lambda approval, _: approval.snoozed_until is not None),
    "card:attachment": Operation(SEES, attached),
    "batch:batch": Operation("R2 R3", batch, settled, quiet=True),
    # Of what one may see it is said, and settled, that nothing of it was recorded; of the rest nothing.
    "card:attempt": Operation(
        f"{SEES} superuser",
        lambda client, approval: client.post(reverse("card:attempt", args=[uuid4()]), {"approval": approval.pk}),
        lambda approval, user: bool(user) and Attempt.objects.filter(approval=approval, user=user, void=True).exists(),
        quiet=True,
    ),
    "grants:grants": Operation(REVIEWERS, get("grants:grants", on=False)),
    "grants:like": Operation("R2 R3", pre_approve_next, gave_standing_approval),
    "grants:new": Operation(
        "R2 R3", new_standing_approval, gave_standing_approval, quiet=True
    ),  # who reviews lower or operates it has nothing to choose
    "grants:revoke": Operation(
        "R2 R3", revoking, lambda approval, user: bool(user) and standing_approval(approval).revoked_by_id == user.pk
    ),
    # One's own and nobody else's; whose card it was typed on decides (tests/conversation/test_unsent.py).
    "card:unsent": Operation(
        SEES,
        keep_unsent,
        lambda approval, user: bool(user) and UnsentText.objects.filter(approval=approval, user=user).exists(),
    ),
    "card:discard_unsent": Operation("", discard_unsent, lambda approval, _: not approval.unsent.exists()),
    "overload:banner": Operation(SIGNED_IN, get("overload:banner", on=False)),
    "overload:catch_up": Operation(SIGNED_IN, get("overload:catch_up", on=False)),
    "overload:period": Operation(
        f"{SEES} admin superuser",
        lambda client, it: client.get(reverse("overload:period", args=[past_overload(it).pk])),
    ),
    "overload:seen": Operation(
        "R2 R3 owner",
        acknowledge_overload,
        lambda _, user: bool(user) and Overload.objects.filter(seen_by=user).exists(),
    ),
    "reports:report": Operation(REVIEWERS, get("reports:report", on=False)),
    "reports:rows": Operation(REVIEWERS, get("reports:rows", on=False)),
    "reports:decisions_csv": Operation("manager auditor", get("reports:decisions_csv", on=False)),
    "reports:figures_csv": Operation("manager auditor", get("reports:figures_csv", on=False)),
    "reports:shadow": Operation("manager auditor", get("reports:shadow", on=False)),
    "reports:shadow_csv": Operation("manager auditor", get("reports:shadow_csv", on=False)),
    "reports:calibration": Operation("manager auditor", get("reports:calibration", on=False)),
    "profile:away": Operation(
        SIGNED_IN,
        lambda client, _: client.post(
            reverse("profile:away"), {"starts_at": "2099-01-01T08:00", "ends_at": "2099-01-02T08:00", "delegate": ""}
        ),
        lambda _, user: bool(user) and bool(Absence.objects.filter(user=user).delete()[0]),
    ),
    "profile:back": Operation(
        "",
        lambda client, _: client.post(reverse("profile:back", args=[an_absence().pk])),
        lambda _, user: not Absence.objects.filter(user__username="away").exists(),
    ),
    "profile:notifications": Operation(SIGNED_IN, get("profile:notifications", on=False)),
    "profile:add_channel": Operation(
        SIGNED_IN,
        lambda client, _: client.post(
            reverse("profile:add_channel"), {"kind": "other", "carries": "both", "address": "jsons://example.com/x"}
        ),
        lambda _, user: bool(user) and user.channels.filter(service="json").exists(),
    ),
    # Of somebody else: there is none for anybody but its owner, who is tried in tests/notify.
    "profile:channel": Operation("", edit_foreign_channel),
    "profile:slack_link": Operation(SIGNED_IN, lambda client, _: client.post(reverse("profile:slack_link"))),
    "account_email": Operation(SIGNED_IN, get("account_email", on=False)),
    "profile:security": Operation(SIGNED_IN, get("profile:security", on=False)),
    "profile:end_sessions": Operation(
        SIGNED_IN,
        lambda client, _: client.post(reverse("profile:end_sessions")),
        lambda _, user: user is not None and user.is_active,
    ),
    "profile:theme": Operation(
        SIGNED_IN,
        lambda client, _: client.post(reverse("profile:theme"), {"theme": "dark"}),
        lambda _, user: User.objects.get(pk=user.pk).theme == "dark" if user else False,
    ),
}
# Needs a held verdict, a claim of one's own or a plan; each is tried below with everybody else.
OWN = {"card:undo", "batch:undo", "card:release", "plan:plan"}
# No person's and no approval's data.
OPEN = {
    "jwks",
    "inbox:favicon",
    "health:live",
    "health:ready",
    "demo:mailbox",
    "api:docs",
    "api:openapi",
    "api:missing",
}
OPEN |= {"help:contents", "help:page", "sign_in:session"}
# One's own, and after a fresh sign-in; others are refused in tests/console/test_sessions.py.
OWN |= {"profile:end_session", "profile:issue_token", "profile:revoke_token"}
OWN |= {"card:passkey"}  # where a gate takes one; others are refused in tests/console/test_second_factor_gate.py
OPEN |= {"account_set_password"}  # leads to the reset by mail, which is open
# Signed by Slack in the place of a session; each refusal is tried in tests/notify/test_slack.py.
OPEN |= {"slack:interactions", "slack:commands"}
# Tried below, with everybody.
SWITCH = {"kill_switch:stop", "kill_switch:lift", "api:stop"}
SWITCH |= {"agent:agent", "agent:pause", "agent:reject", "api:agent_pause", "api:reject_pending"}


@pytest.fixture
def everybody(request) -> dict[str, User | None]:
    return {"anon": None, **{role: request.getfixturevalue(name) for role, name in PEOPLE.items()}}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_does_what_the_table_says_for_every_role(name, everybody, propose, as_):
    operation = PAGES[name]
    wrong = []
    for role, user in everybody.items():
        approval = propose(amount=6000)
        response = operation.call(as_(user) if user else Client(), approval)
        after = load(approval.pk)
        happened = operation.done(after, user) if operation.done else response.status_code == 200
        allowed = role in operation.who.split()
        refused = response.status_code in DENIED or operation.quiet
        if happened != allowed or (not allowed and not refused):
            wrong.append(f"{role}: {response.status_code}, {'done' if happened else 'not done'}")

    assert not wrong


def test_somebody_who_is_not_signed_in_is_sent_to_the_login(propose, bob):
    for name, operation in PAGES.items():
        response = operation.call(Client(), propose())
        assert response.status_code == 302, name
        assert response["Location"].startswith(reverse("account_login")), name


def test_only_who_decided_takes_it_back(with_undo, everybody, propose, as_):
    bob = everybody["R2"]
    for role, user in everybody.items():
        approval = propose(amount=6000)
        decide(card_version_of(approval), by=bob, verdict="approve")
        (as_(user) if user else Client()).post(reverse("card:undo", args=[approval.pk]), {"version": approval.version})
        assert (load(approval.pk).status == "pending") == (role == "R2"), role


def test_only_who_decided_a_batch_takes_it_back(with_undo, everybody, propose, as_):
    bob = everybody["R2"]
    for role, user in everybody.items():
        approval, key = propose(amount=6000), uuid4()
        Approval.objects.filter(pk=approval.pk).update(flagged=0)
        batches.decide_many([card_version_of(load(approval.pk))], by=bob, verdict="approve", attempt=key)
        (as_(user) if user else Client()).post(reverse("batch:undo", args=[key]))
        assert (load(approval.pk).status == "pending") == (role == "R2"), role


def test_only_who_claimed_returns_it(everybody, propose, as_):
    bob = everybody["R2"]
    for role, user in everybody.items():
        approval = propose(amount=6000)
        claims.claim(approval.pk, by=bob)
        (as_(user) if user else Client()).post(reverse("card:release", args=[approval.pk]))
        assert (load(approval.pk).claimed_by is None) == (role == "R2"), role


def test_only_who_decides_a_plan_edits_it(everybody, refunds, action_type, robot, as_):
    action_type("plan", schema={}, value_path="", currency_path="", subject_path="", headline="carry out {steps}")
    args = {"order": "1", "amount": 6000, "currency": "EUR"}
    steps = [{"id": one, "action": {"name": "refund", "args": args}, "depends_on": []} for one in "ab"]
    for role, user in everybody.items():
        item = Item(id="p", item_type="plan", steps=steps)
        [answer] = intake.submit(robot, [Submission((item,), "sha256:p")])
        approval = answer.approvals[0]
        form = {"version": approval.version, "op": "approve", "plan": '[{"id": "b"}]'}
        response = (as_(user) if user else Client()).post(reverse("plan:plan", args=[approval.pk]), form)
        happened = load(approval.pk).status != "pending"
        assert happened == (role in ("R2", "R3")), role
        assert happened or response.status_code in DENIED, role


def test_who_administers_sees_metadata_and_no_content(everybody, propose, as_):
    approval = propose(amount=6000, summary="the customer's own words", order="order-77")
    page = as_(everybody["superuser"]).get(reverse("card:card", args=[approval.pk])).content.decode()

    assert "the customer&#x27;s own words" not in page
    assert "order-77" not in page
    assert not mentions(page, "6000") and not mentions(page, "6,000")


def test_who_was_asked_once_may_still_open_it(refund, alice, bob, as_):
    claims.escalate(refund.pk, by=alice)

    assert as_(alice).get(reverse("card:card", args=[refund.pk])).status_code == 200
    as_(alice).post(
        reverse("card:decide", args=[refund.pk]),
        {"verdict": "approve", "version": refund.version},
    )
    assert load(refund.pk).status == "pending"


def test_a_get_decides_nothing(refund, alice, as_):
    query = {"verdict": "approve", "version": refund.version}
    for name in PAGES.keys() - {
        "inbox:inbox",
        "card:attachment",
        "runs:close",
        "profile:back",
        "overload:period",
        "overload:seen",
        "profile:channel",
    }:
        try:
            address = reverse(name, args=[refund.pk])
        except Exception:
            address = reverse(name)
        as_(alice).get(address, query)

    assert load(refund.pk).status == "pending"


@pytest.mark.parametrize("part", range(4))
def test_a_verdict_on_something_else_than_what_was_seen_is_409(part, refund, alice, as_):
    parts = refund.version.split(".")
    parts[part] = "sha256:" + "0" * 64 if part == 3 else "7"
    form = {"verdict": "approve", "version": ".".join(parts)}
    response = as_(alice).post(reverse("card:decide", args=[refund.pk]), form)

    assert response.status_code == 409
    assert load(refund.pk).status == "pending"


def test_a_verdict_without_the_pages_token_is_refused(refund, alice):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    form = {"verdict": "approve", "version": refund.version}

    assert browser.post(reverse("card:decide", args=[refund.pk]), form).status_code == 403
    assert load(refund.pk).status == "pending"


# --- Live updates


def test_live_updates_of_a_queue_reach_who_may_see_it(everybody, propose):
    propose(amount=6000)
    hears = {role for role, user in everybody.items() if user and "2.commerce" in live.watch_of(user).queues}

    assert hears == {"R2", "R3", "owner", "manager", "auditor"}


def test_a_superuser_reads_and_searches_no_headline(refund, bob, root, otto, as_):
    Proposal.objects.filter(approval=refund).update(headline="a very private headline")
    together = {"pick": f"{refund.pk}:{refund.version}"}
    in_batch = as_(root).post(reverse("batch:batch"), together).content.decode()
    decide(card_version_of(refund), by=bob, verdict="approve")
    for user, reads in ((root, False), (otto, True)):
        for query in ({}, {"q": "private"}):
            page = as_(user).get(reverse("history:history"), query).content.decode()
            assert ("very private" in page) == reads, (user, query)
        assert (str(refund.pk) in page) == reads
    assert "very private" not in in_batch


# --- REST: people's tokens, with the same authority as on the page


def api_call(method: str, name: str, *, on: bool = True, body: Callable[[Approval], object] | None = None):
    def call(client: Client, approval: Approval) -> HttpResponse:
        address = reverse(name, args=[approval.pk] if on else [])
        if method == "get":
            return client.get(address)
        return client.post(address, body(approval) if body else {}, content_type="application/json")

    return call


def verdict_body(approval: Approval) -> dict[str, object]:
    return {
        "verdict": "approve",
        "revision": approval.revision,
        "round": approval.round,
        "digest": approval.digest,
    }


def batch_body(approval: Approval) -> dict[str, object]:
    Approval.objects.filter(pk=approval.pk).update(flagged=0)
    shown = {"id": str(approval.pk), "revision": approval.revision, "round": 1, "digest": approval.digest}
    return {"verdict": "approve", "items": [shown]}


TOKENS = {
    "api:inbox": Operation(SIGNED_IN, api_call("get", "api:inbox", on=False)),
    "api:card": Operation(f"{SEES} superuser", api_call("get", "api:card")),
    "api:claim": Operation("R2 R3", api_call("post", "api:claim"), claimed),
    "api:decide": Operation("R2 R3", api_call("post", "api:decide", body=verdict_body), settled),
    "api:recall": Operation("R2 R3", api_call("post", "api:recall", body=recall_body), recalled_by),
    "api:batch": Operation("R2 R3", api_call("post", "api:batch", on=False, body=batch_body), settled, quiet=True),
}


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_does_what_the_table_says_for_every_role(name, everybody, propose):
    operation = TOKENS[name]
    wrong = []
    for role, user in everybody.items():
        approval = propose(amount=6000)
        token = f"Bearer {keys.issue(user=user, name='test')[1]}" if user else ""
        response = operation.call(Client(headers={"Authorization": token}), approval)
        happened = operation.done(load(approval.pk), user) if operation.done else response.status_code == 200
        if happened != (role in operation.who.split()) or (not user and response.status_code != 401):
            wrong.append(f"{role}: {response.status_code}, {'done' if happened else 'not done'}")

    assert not wrong


# --- REST: agents' keys


def open_question(approval: Approval) -> AgentQuestion:
    question = approval.inquiries.first()
    return question or agent_questions.ask(approval.pk, by=User.objects.get(username="bob"), text="Which order?")


ASKED = {"action": "refund", "args": {"order": "1", "amount": 1, "currency": "EUR"}}
AGENTS = {
    "api:requests": lambda client, _: client.post(reverse("api:requests"), ASKED, content_type="application/json"),
    "api:bulk": lambda client, _: client.post(
        reverse("api:bulk"), {"requests": [ASKED]}, content_type="application/json"
    ),
    "api:evaluate": lambda client, _: client.post(reverse("api:evaluate"), ASKED, content_type="application/json"),
    "api:events": lambda client, _: client.get(reverse("api:events"), {"after": 0}),
    "api:attachments": lambda client, _: client.post(reverse("api:attachments"), b"evidence", "text/plain"),
    "api:grants": lambda client, _: client.get(reverse("api:grants")),
    "api:feedback": lambda client, _: client.get(reverse("api:feedback")),
    "api:action_types": lambda client, _: client.get(reverse("api:action_types")),
    "api:action_type": lambda client, _: client.get(reverse("api:action_type", args=["refund"])),
    "api:steps": lambda client, _: client.post(
        reverse("api:steps", args=["thread-7"]), {"id": "one"}, "application/json"
    ),
    "api:whoami": lambda client, _: client.get(reverse("api:whoami")),
}


def consuming(client: Client, approval: Approval) -> HttpResponse:
    """Bob approves it first: without a verdict there is no permit to use."""
    if load(approval.pk).status == "pending":
        decide(card_version_of(approval), by=User.objects.get(username="bob"), verdict="approve")
    [item] = json.loads(load(approval.pk).request.answer)["items"]
    body = {"permit": item["permit"], "action_digest": item["action_digest"], "attempt": "first"}
    return client.post(reverse("api:consume", args=[approval.decisions.get().pk]), body, "application/json")


OF_A_REQUEST = {
    "api:request": lambda client, it: client.get(reverse("api:request", args=[it.request_id])),
    "api:decision": lambda client, it: client.get(reverse("api:decision", args=[it.request_id])),
    "api:amend": lambda client, it: client.post(
        reverse("api:amend", args=[it.request_id, it.item]), {"summary": "better said"}, "application/json"
    ),
    "api:answer": lambda client, it: client.post(
        reverse("api:answer", args=[open_question(it).pk]), {"answer": "456"}, "application/json"
    ),
    "api:step_undo": lambda client, it: client.post(
        reverse("api:step_undo", args=["thread-7", stuck_step(it).key]), {"result": "succeeded"}, "application/json"
    ),
    "api:run": lambda client, it: client.get(reverse("api:run", args=[in_a_run(it).key])),
    "api:run_end": lambda client, it: client.post(
        reverse("api:run_end", args=[in_a_run(it).key]), {}, "application/json"
    ),
    "api:guidance": lambda client, it: client.get(reverse("api:guidance", args=[in_a_run(it).key])),
    "api:incidents": lambda client, it: client.post(
        reverse("api:incidents"),
        {"request": str(it.request_id), "item": it.item, "severity": "low", "text": "paid twice"},
        "application/json",
    ),
    "api:grant_uses": lambda client, it: client.post(
        reverse("api:grant_uses", args=[standing_approval(it).pk]), {"uses": []}, "application/json"
    ),
    "api:cancel": lambda client, it: client.post(reverse("api:cancel", args=[it.request_id]), {}, "application/json"),
    "api:consume": consuming,
    "api:lease": lambda client, it: client.post(
        reverse("api:lease", args=[it.request_id]), {"worker": "one"}, "application/json"
    ),
    "api:outcome": lambda client, it: client.post(
        reverse("api:outcome", args=[it.request_id, it.item]), {"result": "succeeded"}, "application/json"
    ),
}


def client_of(key: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {key}"})


@pytest.mark.parametrize("name", [*AGENTS, *OF_A_REQUEST])
def test_an_agents_key_reaches_its_own_requests_alone(name, refund, robot, bob):
    own = keys.issue(agent=robot, name="own")[1]
    other = keys.issue(agent=Agent.objects.create(name="stranger"), name="other")[1]
    revoked_key, revoked = keys.issue(agent=robot, name="revoked")
    keys.revoke(revoked_key)
    person = keys.issue(user=bob, name="person")[1]
    call = {**AGENTS, **OF_A_REQUEST}[name]

    assert call(client_of(revoked), refund).status_code == 401
    assert call(client_of("asn_nonsense"), refund).status_code == 401
    assert call(Client(), refund).status_code == 401
    if name not in ("api:action_types", "api:action_type"):  # which people's tools may read, too
        assert call(client_of(person), refund).status_code == 403
    if name in OF_A_REQUEST:
        assert call(client_of(other), refund).status_code == 404
    assert call(client_of(own), refund).status_code not in DENIED


@pytest.mark.parametrize("name", TOKENS)
def test_an_agents_key_decides_nothing(name, refund, robot):
    own = keys.issue(agent=robot, name="own")[1]

    assert TOKENS[name].call(client_of(own), refund).status_code == 403
    assert load(refund.pk).status == "pending"


# --- The admin: the draft and the versions of policy


def of_policy(name: str, method: str = "post", *, on: Callable[[], object] | None = None):
    def call(client: Client, digest: str) -> HttpResponse:
        address = reverse(f"admin:approvals_policyversion_{name}", args=[on()] if on else [])
        return client.get(address) if method == "get" else client.post(address, {"digest": digest, "note": "because"})

    return call


def newest_policy() -> int:
    return snapshot.current().number


def start_rehearsal() -> object:
    return rehearsal_jobs.ask(Period(), by=None).pk


POLICY = {
    "draft": of_policy("draft", "get"),
    "publish": of_policy("publish"),
    "withdraw": of_policy("withdraw"),
    "discard": of_policy("discard"),
    "import": of_policy("import"),
    "export_draft": of_policy("export_draft", "get"),
    "export": of_policy("export", "get", on=newest_policy),
    "revert": of_policy("revert", on=newest_policy),
    "rehearse": of_policy("rehearse"),
    "sample": of_policy("sample", "get"),
    "try": of_policy("try"),
    "rehearsal": of_policy("rehearsal", "get", on=start_rehearsal),
}
ALTERS = {"publish", "withdraw", "discard", "import", "revert"}


@pytest.mark.parametrize("name", POLICY)
def test_the_policy_is_the_admins(name, everybody, refunds, as_):
    everybody["admin"].groups.add(Group.objects.get(name=roles.ADMINS))
    for role, user in everybody.items():
        ActionType.objects.update(title=f"{role} of {name}")
        digest, before = versions.draft().digest, newest_policy()
        response = POLICY[name](as_(user) if user else Client(), digest)
        allowed = role in ("admin", "superuser")
        reached = response.status_code not in DENIED or response.get("Location", "").startswith("/admin/a")
        assert reached == allowed, role
        assert (newest_policy() > before) == (allowed and name == "publish"), role
        assert versions.draft().differs == (not (allowed and name in ("publish", "discard"))), role


@pytest.mark.parametrize("name", sorted(ALTERS | {"rehearse"}))
def test_no_link_alters_policy(name, root, refunds, as_):
    args = [newest_policy()] if name == "revert" else []

    assert as_(root).get(reverse(f"admin:approvals_policyversion_{name}", args=args)).status_code == 405


def test_who_only_looks_alters_no_policy(ada, refunds, as_):
    ada.user_permissions.add(Permission.objects.get(codename="view_policyversion"))
    ActionType.objects.update(title="Money back")
    for name in POLICY:
        expected = 403 if name in ALTERS else 302 if name == "rehearse" else 200
        assert POLICY[name](as_(ada), versions.draft().digest).status_code == expected, name


RULES = {
    "shares": lambda client: client.get(reverse("admin:approvals_actiontype_shares"), {"expires_after": "00:10:00"}),
    "names": lambda client: client.get(reverse("admin:approvals_rule_names"), {"action_type": "refund"}),
    "check": lambda client: client.post(reverse("admin:approvals_rule_check"), {"expression": "true"}),
}


@pytest.mark.parametrize("name", RULES)
def test_only_who_writes_rules_is_helped_with_them(name, everybody, refunds, as_):
    assert RULES[name](as_(everybody["admin"])).status_code == 403  # staff, and no more
    everybody["admin"].groups.add(Group.objects.get(name=roles.ADMINS))
    for role, user in everybody.items():
        response = RULES[name](as_(user) if user else Client())
        assert (response.status_code == 200) == (role in ("admin", "superuser")), role
        assert response.status_code == 200 or response.status_code in DENIED, role


def test_every_page_of_rules_stands_in_the_table():
    pages = [*admin.site._registry[Rule].get_urls(), *admin.site._registry[ActionType].get_urls()]
    page_names = {one.name.rpartition("_")[2] for one in pages if one.name}

    assert page_names - {"changelist", "add", "history", "delete", "change"} == RULES.keys()


def test_every_page_of_policy_stands_in_the_table():
    own = admin.site._registry[PolicyVersion].get_urls()
    page_names = {one.name.removeprefix("approvals_policyversion_") for one in own if one.name}

    assert page_names - {"changelist", "add", "history", "delete", "change"} == POLICY.keys()


# --- The kill switch: of the whole house, so that the domain of a reviewer of the highest tier does not matter


def stops_and_lifts(role: str, user: User | None, as_, password: str = PASSWORD) -> list[bool]:
    """Whether this person stops and lifts, on the page and by a token."""
    browser = as_(user) if user else Client()
    token = client_of(keys.issue(user=user, name="test")[1]) if user else Client()
    done = []
    browser.post(reverse("kill_switch:stop"), {"why": role})
    done.append(kill_switch.standing() is not None)
    kill_switch.stop(by=None, why="another")
    browser.post(reverse("account_reauthenticate"), {"password": password})
    browser.post(reverse("kill_switch:lift"))
    done.append(kill_switch.standing() is None)
    kill_switch.lift(by=None)
    token.post(reverse("api:stop"), {"why": role}, content_type="application/json")
    done.append(kill_switch.standing() is not None)
    kill_switch.stop(by=None, why="another")
    token.delete(reverse("api:stop"), {"password": password}, content_type="application/json")
    done.append(kill_switch.standing() is None)
    kill_switch.lift(by=None)
    return done


def test_the_kill_switch_is_for_the_highest_tier_managers_and_admins(everybody, as_):
    everybody["admin"].groups.add(Group.objects.get(name=roles.ADMINS))
    for role, user in everybody.items():
        allowed = role in ("R3", "RX", "manager", "admin", "superuser")
        assert stops_and_lifts(role, user, as_) == [allowed] * 4, role


def test_an_agent_is_paused_by_the_highest_tier_of_its_domain_managers_and_admins(everybody, propose, robot, as_):
    everybody["admin"].groups.add(Group.objects.get(name=roles.ADMINS))
    for role, user in everybody.items():
        allowed = role in ("R3", "manager", "admin", "superuser")
        browser = as_(user) if user else Client()
        token = client_of(keys.issue(user=user, name="test")[1]) if user else Client()
        done = []
        for request, reject in (
            (
                lambda browser=browser: browser.post(reverse("agent:pause", args=[robot.pk])),
                lambda browser=browser: browser.post(reverse("agent:reject", args=[robot.pk]), {"message": "no"}),
            ),
            (
                lambda token=token: token.post(reverse("api:agent_pause", args=["robot"])),
                lambda token=token: token.post(
                    reverse("api:reject_pending", args=["robot"]), {"message": "no"}, "application/json"
                ),
            ),
        ):
            approval = propose()
            done.append(browser.get(reverse("agent:agent", args=[robot.pk])).status_code == 200)
            request()
            done.append(Agent.objects.filter(pk=robot.pk, paused_at=None).update(paused_at=None) == 0)
            Agent.objects.update(paused_at=None)
            reject()
            done.append(load(approval.pk).status != "pending")
        assert done == [allowed] * 6, role


def test_an_agents_key_stops_nothing(robot):
    own = client_of(keys.issue(agent=robot, name="own")[1])

    assert own.get(reverse("api:stop")).status_code == 403
    assert own.post(reverse("api:agent_pause", args=["robot"])).status_code == 403
    assert (
        own.post(reverse("api:reject_pending", args=["robot"]), {"message": "x"}, "application/json").status_code == 403
    )
    assert own.post(reverse("api:stop"), {"why": "x"}, content_type="application/json").status_code == 403
    assert kill_switch.standing() is None


# --- Nothing is left out


def test_every_address_stands_in_a_row():
    listed = PAGES.keys() | TOKENS.keys() | AGENTS.keys() | OF_A_REQUEST.keys() | OWN | OPEN | SWITCH

    assert {name for name, _ in addresses()} == listed


def test_every_admin_action_is_known():
    admin_actions = {
        f"{model._meta.model_name}.{name}"
        for model, page in admin.site._registry.items()
        for group in ("actions", "actions_detail", "actions_list")
        for name in getattr(page, group, None) or ()
    }

    assert admin_actions == {
        "agent.pause",
        "agent.resume",
        "agent.issue_key",
        "agent.callback_secret",
        "apikey.revoke",
        "apikey.revoke_this",
        "signingkey.rotate",
        "endpoint.test",
        "endpoint.rotate",
        "endpoint.replay_dead",
        "delivery.replay",
        "delivery.replay_this",
        "channel.test",
        "user.invite",
        "secondadminrequest.give",
        "secondadminrequest.refuse",
    }


def test_people_sign_in_with_a_password_and_those_who_left_do_not(alice, oscar):
    for username, status in (("alice", 302), ("oscar", 200)):
        response = Client().post(reverse("account_login"), {"login": username, "password": PASSWORD})
        assert (response.status_code == 302 and response["Location"] == "/") == (status == 302), username
