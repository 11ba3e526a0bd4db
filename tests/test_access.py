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
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from agents import keys
from approvals import roles, stops, times
from approvals.models import (
    Absence,
    ActionType,
    Agent,
    Approval,
    Attempt,
    Audit,
    Channel,
    Degraded,
    Grant,
    Guidance,
    Inquiry,
    Outcome,
    Pause,
    PolicyVersion,
    Proposal,
    Recall,
    Rule,
    Run,
    Step,
    UnsentText,
    User,
)
from approvals.policy import snapshot, trials, versions
from approvals.policy.rehearsal import Period
from approvals.review import attachments, batches, claims, inquiries, intake, unsent
from approvals.review.decisions import decide, load, seen
from approvals.review.submission import Item, Submission
from console import live
from tests.conftest import PASSWORD
from tests.saying import says

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
    return client.post(reverse("batch"), {"pick": pick, "verdict": "approve"})


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
    return client.post(reverse("confirm", args=[approval.pk]), form)


def in_a_run(approval: Approval) -> Run:
    run, _ = Run.objects.get_or_create(agent=approval.agent, key="thread-7")
    Pause.objects.filter(pk=approval.pause_id).update(run=run)
    return run


def its_run(client: Client, approval: Approval) -> HttpResponse:
    return client.get(reverse("run", args=[in_a_run(approval).pk]))


def run_advised(client: Client, approval: Approval) -> HttpResponse:
    return client.post(reverse("run_guide", args=[in_a_run(approval).pk]), {"guidance": f"for {approval.pk}"})


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
    return client.post(reverse("run_close", args=[step.run_id, step.pk]), {"note": "by hand"})


def advised(client: Client, approval: Approval) -> HttpResponse:
    in_a_run(approval)
    return post("guide", guidance="be brief")(client, approval)


def harmed(client: Client, approval: Approval) -> HttpResponse:
    if load(approval.pk).status == "pending":
        decide(seen(approval), by=User.objects.get(username="bob"), verdict="approve")
    return post("incident", severity="low", text="paid twice")(client, approval)


def set_aside(client: Client, approval: Approval) -> HttpResponse:
    return post("snooze", until=(times.now() + timedelta(minutes=10)).isoformat())(client, approval)


def attached(client: Client, approval: Approval) -> HttpResponse:
    file, _ = attachments.keep(approval.agent, name="a.txt", claimed="text/plain", content=b"evidence")
    Proposal.objects.filter(approval=approval).update(attachments=[{"id": str(file.pk), "digest": file.digest}])
    return client.get(reverse("attachment", args=[approval.pk, file.pk]))


NEXT = {"most": "2", "hours": "1", "tier": "2", "path-0": "amount", "op-0": "le", "value-0": "6000", "on-0": "on"}


def the_next(client: Client, approval: Approval) -> HttpResponse:
    return post("grant_like", **NEXT)(client, approval)


def anew(client: Client, approval: Approval) -> HttpResponse:
    return client.post(reverse("grant_new"), {"agent": approval.agent.name, "action": approval.action_type_id, **NEXT})


def an_absence() -> Absence:
    """Somebody else's, which nobody ends."""
    away, _ = User.objects.get_or_create(username="away", defaults={"email": "away@example.com"})
    when = {"starts_at": times.now(), "ends_at": times.now() + timedelta(days=1)}
    return Absence.objects.get_or_create(user=away, defaults=when)[0]


def given(approval: Approval, user: User | None) -> bool:
    """Whether this person gave one; it ends here, or the next approval under test would pass by it."""
    return bool(user) and bool(
        Grant.objects.filter(granted_by=user, revoked_at=None).update(revoked_by=user, revoked_at=times.now())
    )


def standing(approval: Approval) -> Grant:
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
    return client.post(reverse("grant_revoke", args=[standing(approval).pk]))


def short_of_room(approval: Approval) -> Degraded:
    """A time, over by now, in which the queue of the approval under test was full."""
    now = times.now()
    facts = {"mode": "reject", "limit": 1, "refused": 1, "began_at": now - timedelta(hours=1), "ended_at": now}
    Degraded.objects.filter(seen_at__isnull=False).delete()
    return Degraded.objects.get_or_create(tier_id=2, domain_id="commerce", why="full", defaults=facts)[0]


def caught_up(client: Client, approval: Approval) -> HttpResponse:
    return client.post(reverse("degraded_seen", args=[short_of_room(approval).pk]))


def looked_at(client: Client, approval: Approval) -> HttpResponse:
    """It ran without a person, and waits for a look."""
    Audit.objects.get_or_create(
        approval=approval, defaults={"why": "sampled", "tier_id": 2, "domain_id": "commerce", "opened_at": times.now()}
    )
    return client.post(reverse("afterwards_find"), {"pick": str(approval.pk), "finding": "fine"})


def found_by(approval: Approval, user: User | None) -> bool:
    return bool(user) and Audit.objects.filter(pk=approval.pk, by=user).exists()


def typing(client: Client, approval: Approval) -> HttpResponse:
    person = client.session.get("_auth_user_id", "")
    body = {"approval": str(approval.pk), "slot": "comment", "person": person, "tab": "t", "turn": 1}
    return client.post(reverse("unsent"), {**body, "fields": {"text": ["hm"]}}, content_type="application/json")


def discarding(client: Client, approval: Approval) -> HttpResponse:
    """What somebody else typed."""
    author, _ = User.objects.get_or_create(username="author", email="author@example.com")
    text = unsent.keep(unsent.Form("comment", approval_id=approval.pk), {"text": ["mine"]}, by=author, tab="t", turn=1)
    return client.post(reverse("unsent_discard", args=[text.pk]))


def settled(approval: Approval, user: User | None) -> bool:
    return bool(user) and approval.decided_by_id == user.pk


def claimed(approval: Approval, user: User | None) -> bool:
    return bool(user) and approval.claimed_by_id == user.pk


def recalling(client: Client, approval: Approval) -> HttpResponse:
    return client.post(reverse("recall", args=[approval.pk]), {**taking_back(approval), "version": approval.version})


def taking_back(approval: Approval) -> dict[str, object]:
    """Bob approved it, and nobody has used its permit."""
    for bob in User.objects.filter(username="bob"):
        decide(seen(approval), by=bob, verdict="approve")
    shown = {"revision": approval.revision, "round": approval.round, "digest": approval.digest}
    return {**shown, "reason": "not_needed"}


def taken_back(approval: Approval, user: User | None) -> bool:
    return bool(user) and Recall.objects.filter(approval=approval, user=user).exists()


def not_mine(client: Client, approval: Approval) -> HttpResponse:
    somebody, _ = User.objects.get_or_create(username="somebody", email="somebody@example.com")
    channel, _ = Channel.objects.get_or_create(user=somebody, service="mail")
    return client.post(reverse("channel", args=[channel.pk]), {"carries": "off"})


SEES = "R2 R3 owner manager auditor"
PAGES = {
    "inbox": Operation(SIGNED_IN, get("inbox", on=False)),
    "overview": Operation(SIGNED_IN, get("overview", on=False)),
    "history": Operation(SIGNED_IN, get("history", on=False)),
    "audit_log": Operation("auditor superuser", get("audit_log", on=False)),
    "audit_verify": Operation("auditor superuser", lambda client, _: client.post(reverse("audit_verify"))),
    "audit_log_csv": Operation("auditor", get("audit_log_csv", on=False)),
    "unconfirmed": Operation(SIGNED_IN, get("unconfirmed", on=False)),
    "confirm": Operation(
        "R2 R3 manager",
        confirming,
        lambda approval, user: bool(user) and Outcome.objects.filter(reported_by=user).exists(),
    ),
    "profile": Operation(SIGNED_IN, get("profile", on=False)),
    "approval": Operation(f"{SEES} superuser", get("approval")),
    "actions": Operation(SEES, get("actions")),
    "claimed": Operation(SEES, get("claimed")),
    "approve": Operation(SEES, get("approve")),
    "reject": Operation(SEES, get("reject")),
    "answer": Operation(SEES, post("answer", typed="[]")),  # a preview of the form
    "modify": Operation(
        "R2 R3", post("modify", edits='[{"op": "replace", "path": "/amount", "value": 5999}]'), settled
    ),
    # Previews: they change nothing, and show no more than the card does.
    "modify_form": Operation(SEES, post("modify_form")),
    "modify_diff": Operation(SEES, post("modify_diff")),
    "decide": Operation("R2 R3", post("decide", verdict="approve"), settled),
    "recall": Operation("R2 R3", recalling, taken_back),
    "escalate": Operation("R2 R3 owner", post("escalate"), lambda approval, _: approval.tier_id == 3),
    "claim": Operation("R2 R3", post("claim"), claimed, quiet=True),
    "comment": Operation(
        "R2 R3 owner manager", post("comment", text="hm"), lambda approval, _: approval.notes.exists()
    ),
    "afterwards": Operation(SIGNED_IN, get("afterwards", on=False)),
    "afterwards_find": Operation("R2 R3", looked_at, found_by),
    "runs": Operation(SIGNED_IN, get("runs", on=False)),
    "run": Operation(SEES, its_run),
    "run_guide": Operation("R2 R3", run_advised, lambda approval, _: run_guided(approval)),
    "run_close": Operation(
        "R2 R3 manager", closing, lambda approval, user: bool(user) and stuck_step(approval).closed_by_id == user.pk
    ),
    "thread": Operation(SEES, get("thread")),
    "ask": Operation("R2 R3 owner", post("ask", text="?"), lambda approval, _: approval.inquiries.exists()),
    "guide": Operation("R2 R3", advised, lambda approval, _: approval.guidance.exists()),
    "incident": Operation("R2 R3 manager", harmed, lambda approval, _: approval.incidents.exists()),
    "snooze": Operation("R2 R3", set_aside, lambda approval, _: approval.snoozed_until is not None),
    "attachment": Operation(SEES, attached),
    "batch": Operation("R2 R3", batch, settled, quiet=True),
    # Of what one may see it is said, and settled, that nothing of it was recorded; of the rest nothing.
    "attempt": Operation(
        f"{SEES} superuser",
        lambda client, approval: client.post(reverse("attempt", args=[uuid4()]), {"approval": approval.pk}),
        lambda approval, user: bool(user) and Attempt.objects.filter(approval=approval, user=user, void=True).exists(),
        quiet=True,
    ),
    "grants": Operation(REVIEWERS, get("grants", on=False)),
    "grant_like": Operation("R2 R3", the_next, given),
    "grant_new": Operation("R2 R3", anew, given, quiet=True),  # who reviews lower or operates it has nothing to choose
    "grant_revoke": Operation(
        "R2 R3", revoking, lambda approval, user: bool(user) and standing(approval).revoked_by_id == user.pk
    ),
    # One's own and nobody else's; whose card it was typed on decides (tests/words/test_unsent.py tries the authors).
    "unsent": Operation(
        SEES,
        typing,
        lambda approval, user: bool(user) and UnsentText.objects.filter(approval=approval, user=user).exists(),
    ),
    "unsent_discard": Operation("", discarding, lambda approval, _: not approval.unsent.exists()),
    "scarcity": Operation(SIGNED_IN, get("scarcity", on=False)),
    "catch_up": Operation(SIGNED_IN, get("catch_up", on=False)),
    "degraded": Operation(
        f"{SEES} admin superuser",
        lambda client, it: client.get(reverse("degraded", args=[short_of_room(it).pk])),
    ),
    "degraded_seen": Operation(
        "R2 R3 owner", caught_up, lambda _, user: bool(user) and Degraded.objects.filter(seen_by=user).exists()
    ),
    "report": Operation(REVIEWERS, get("report", on=False)),
    "report_rows": Operation(REVIEWERS, get("report_rows", on=False)),
    "report_csv": Operation("manager auditor", get("report_csv", on=False)),
    "report_figures": Operation("manager auditor", get("report_figures", on=False)),
    "report_shadow": Operation("manager auditor", get("report_shadow", on=False)),
    "report_shadow_csv": Operation("manager auditor", get("report_shadow_csv", on=False)),
    "calibration": Operation("manager auditor", get("calibration", on=False)),
    "away": Operation(
        SIGNED_IN,
        lambda client, _: client.post(
            reverse("away"), {"starts_at": "2099-01-01T08:00", "ends_at": "2099-01-02T08:00", "delegate": ""}
        ),
        lambda _, user: bool(user) and bool(Absence.objects.filter(user=user).delete()[0]),
    ),
    "back": Operation(
        "",
        lambda client, _: client.post(reverse("back", args=[an_absence().pk])),
        lambda _, user: not Absence.objects.filter(user__username="away").exists(),
    ),
    "telling": Operation(SIGNED_IN, get("telling", on=False)),
    "channel_add": Operation(
        SIGNED_IN,
        lambda client, _: client.post(
            reverse("channel_add"), {"kind": "other", "carries": "both", "address": "jsons://example.com/x"}
        ),
        lambda _, user: bool(user) and user.channels.filter(service="json").exists(),
    ),
    # Of somebody else: there is none for anybody but its owner, who is tried in tests/telling.
    "channel": Operation("", not_mine),
    "slack_link": Operation(SIGNED_IN, lambda client, _: client.post(reverse("slack_link"))),
    "account_email": Operation(SIGNED_IN, get("account_email", on=False)),
    "security": Operation(SIGNED_IN, get("security", on=False)),
    "sessions_end": Operation(
        SIGNED_IN,
        lambda client, _: client.post(reverse("sessions_end")),
        lambda _, user: user is not None and user.is_active,
    ),
    "theme": Operation(
        SIGNED_IN,
        lambda client, _: client.post(reverse("theme"), {"theme": "dark"}),
        lambda _, user: User.objects.get(pk=user.pk).theme == "dark" if user else False,
    ),
}
# Needs a held verdict, a claim of one's own or a plan; each is tried below with everybody else.
OWN = {"undo", "attempt_undo", "release", "plan"}
# No person's and no approval's data.
OPEN = {"jwks", "favicon", "health_live", "health_ready", "demo_mail", "api_docs", "api_openapi", "api_missing"}
OPEN |= {"help", "help_page", "session"}
# One's own, and after a fresh sign-in; others are refused in tests/console/test_sessions.py.
OWN |= {"session_end", "token_issue", "token_revoke"}
OWN |= {"passkey"}  # where a gate takes one; others are refused in tests/console/test_second_factor_gate.py
OPEN |= {"account_set_password"}  # leads to the reset by mail, which is open
# Signed by Slack in the place of a session; each refusal is tried in tests/telling/test_slack.py.
OPEN |= {"slack_interactions", "slack_commands"}
# Tried below, with everybody.
SWITCH = {"stop", "stop_lift", "api_stop"}
SWITCH |= {"agent", "agent_pause", "agent_reject", "api_agent_pause", "api_reject_pending"}


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
        decide(seen(approval), by=bob, verdict="approve")
        (as_(user) if user else Client()).post(reverse("undo", args=[approval.pk]), {"version": approval.version})
        assert (load(approval.pk).status == "pending") == (role == "R2"), role


def test_only_who_decided_a_batch_takes_it_back(with_undo, everybody, propose, as_):
    bob = everybody["R2"]
    for role, user in everybody.items():
        approval, key = propose(amount=6000), uuid4()
        Approval.objects.filter(pk=approval.pk).update(flagged=0)
        batches.decide_many([seen(load(approval.pk))], by=bob, verdict="approve", attempt=key)
        (as_(user) if user else Client()).post(reverse("attempt_undo", args=[key]))
        assert (load(approval.pk).status == "pending") == (role == "R2"), role


def test_only_who_claimed_returns_it(everybody, propose, as_):
    bob = everybody["R2"]
    for role, user in everybody.items():
        approval = propose(amount=6000)
        claims.claim(approval.pk, by=bob)
        (as_(user) if user else Client()).post(reverse("release", args=[approval.pk]))
        assert (load(approval.pk).claimed_by is None) == (role == "R2"), role


def test_only_who_decides_a_plan_edits_it(everybody, refunds, action_type, robot, as_):
    action_type("plan", schema={}, value_path="", currency_path="", subject_path="", headline="carry out {steps}")
    args = {"order": "1", "amount": 6000, "currency": "EUR"}
    steps = [{"id": one, "action": {"name": "refund", "args": args}, "depends_on": []} for one in "ab"]
    for role, user in everybody.items():
        item = Item(id="p", subject="plan", steps=steps)
        [answer] = intake.submit(robot, [Submission((item,), "sha256:p")])
        approval = answer.approvals[0]
        form = {"version": approval.version, "op": "approve", "plan": '[{"id": "b"}]'}
        response = (as_(user) if user else Client()).post(reverse("plan", args=[approval.pk]), form)
        happened = load(approval.pk).status != "pending"
        assert happened == (role in ("R2", "R3")), role
        assert happened or response.status_code in DENIED, role


def test_who_administers_sees_metadata_and_no_content(everybody, propose, as_):
    approval = propose(amount=6000, summary="the customer's own words", order="order-77")
    page = as_(everybody["superuser"]).get(reverse("approval", args=[approval.pk])).content.decode()

    assert "the customer&#x27;s own words" not in page
    assert "order-77" not in page
    assert not says(page, "6000") and not says(page, "6,000")


def test_who_was_asked_once_may_still_open_it(refund, alice, bob, as_):
    claims.escalate(refund.pk, by=alice)

    assert as_(alice).get(reverse("approval", args=[refund.pk])).status_code == 200
    as_(alice).post(
        reverse("decide", args=[refund.pk]),
        {"verdict": "approve", "version": refund.version},
    )
    assert load(refund.pk).status == "pending"


def test_a_get_decides_nothing(refund, alice, as_):
    query = {"verdict": "approve", "version": refund.version}
    for name in PAGES.keys() - {"inbox", "attachment", "run_close", "back", "degraded", "degraded_seen", "channel"}:
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
    response = as_(alice).post(reverse("decide", args=[refund.pk]), form)

    assert response.status_code == 409
    assert load(refund.pk).status == "pending"


def test_a_verdict_without_the_pages_token_is_refused(refund, alice):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    form = {"verdict": "approve", "version": refund.version}

    assert browser.post(reverse("decide", args=[refund.pk]), form).status_code == 403
    assert load(refund.pk).status == "pending"


# --- Live updates


def test_live_updates_of_a_queue_reach_who_may_see_it(everybody, propose):
    propose(amount=6000)
    hears = {role for role, user in everybody.items() if user and "2.commerce" in live.watch_of(user).queues}

    assert hears == {"R2", "R3", "owner", "manager", "auditor"}


def test_a_superuser_reads_and_searches_no_headline(refund, bob, root, otto, as_):
    Proposal.objects.filter(approval=refund).update(headline="a very private headline")
    together = {"pick": f"{refund.pk}:{refund.version}"}
    in_batch = as_(root).post(reverse("batch"), together).content.decode()
    decide(seen(refund), by=bob, verdict="approve")
    for user, reads in ((root, False), (otto, True)):
        for query in ({}, {"q": "private"}):
            page = as_(user).get(reverse("history"), query).content.decode()
            assert ("very private" in page) == reads, (user, query)
        assert (str(refund.pk) in page) == reads
    assert "very private" not in in_batch


# --- REST: people's tokens, with the same authority as on the page


def rest(method: str, name: str, *, on: bool = True, body: Callable[[Approval], object] | None = None):
    def call(client: Client, approval: Approval) -> HttpResponse:
        address = reverse(name, args=[approval.pk] if on else [])
        if method == "get":
            return client.get(address)
        return client.post(address, body(approval) if body else {}, content_type="application/json")

    return call


def verdict(approval: Approval) -> dict[str, object]:
    return {
        "verdict": "approve",
        "revision": approval.revision,
        "round": approval.round,
        "digest": approval.digest,
    }


def together(approval: Approval) -> dict[str, object]:
    Approval.objects.filter(pk=approval.pk).update(flagged=0)
    shown = {"id": str(approval.pk), "revision": approval.revision, "round": 1, "digest": approval.digest}
    return {"verdict": "approve", "items": [shown]}


TOKENS = {
    "api_inbox": Operation(SIGNED_IN, rest("get", "api_inbox", on=False)),
    "api_card": Operation(f"{SEES} superuser", rest("get", "api_card")),
    "api_claim": Operation("R2 R3", rest("post", "api_claim"), claimed),
    "api_decide": Operation("R2 R3", rest("post", "api_decide", body=verdict), settled),
    "api_recall": Operation("R2 R3", rest("post", "api_recall", body=taking_back), taken_back),
    "api_batch": Operation("R2 R3", rest("post", "api_batch", on=False, body=together), settled, quiet=True),
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


def asked(approval: Approval) -> Inquiry:
    known = approval.inquiries.first()
    return known or inquiries.ask(approval.pk, by=User.objects.get(username="bob"), text="Which order?")


ASKED = {"action": "refund", "args": {"order": "1", "amount": 1, "currency": "EUR"}}
AGENTS = {
    "api_requests": lambda client, _: client.post(reverse("api_requests"), ASKED, content_type="application/json"),
    "api_bulk": lambda client, _: client.post(
        reverse("api_bulk"), {"requests": [ASKED]}, content_type="application/json"
    ),
    "api_evaluate": lambda client, _: client.post(reverse("api_evaluate"), ASKED, content_type="application/json"),
    "api_events": lambda client, _: client.get(reverse("api_events"), {"after": 0}),
    "api_attachments": lambda client, _: client.post(reverse("api_attachments"), b"evidence", "text/plain"),
    "api_grants": lambda client, _: client.get(reverse("api_grants")),
    "api_feedback": lambda client, _: client.get(reverse("api_feedback")),
    "api_action_types": lambda client, _: client.get(reverse("api_action_types")),
    "api_action_type": lambda client, _: client.get(reverse("api_action_type", args=["refund"])),
    "api_steps": lambda client, _: client.post(
        reverse("api_steps", args=["thread-7"]), {"id": "one"}, "application/json"
    ),
    "api_whoami": lambda client, _: client.get(reverse("api_whoami")),
}


def consuming(client: Client, approval: Approval) -> HttpResponse:
    """Bob approves it first: without a verdict there is no permit to use."""
    if load(approval.pk).status == "pending":
        decide(seen(approval), by=User.objects.get(username="bob"), verdict="approve")
    [told] = json.loads(load(approval.pk).pause.answer)["items"]
    body = {"permit": told["permit"], "action_digest": told["action_digest"], "attempt": "first"}
    return client.post(reverse("api_consume", args=[approval.decisions.get().pk]), body, "application/json")


OF_A_REQUEST = {
    "api_request": lambda client, it: client.get(reverse("api_request", args=[it.pause_id])),
    "api_decision": lambda client, it: client.get(reverse("api_decision", args=[it.pause_id])),
    "api_amend": lambda client, it: client.post(
        reverse("api_amend", args=[it.pause_id, it.item]), {"summary": "better said"}, "application/json"
    ),
    "api_answer": lambda client, it: client.post(
        reverse("api_answer", args=[asked(it).pk]), {"answer": "456"}, "application/json"
    ),
    "api_step_undo": lambda client, it: client.post(
        reverse("api_step_undo", args=["thread-7", stuck_step(it).key]), {"result": "succeeded"}, "application/json"
    ),
    "api_run": lambda client, it: client.get(reverse("api_run", args=[in_a_run(it).key])),
    "api_run_end": lambda client, it: client.post(
        reverse("api_run_end", args=[in_a_run(it).key]), {}, "application/json"
    ),
    "api_guidance": lambda client, it: client.get(reverse("api_guidance", args=[in_a_run(it).key])),
    "api_incidents": lambda client, it: client.post(
        reverse("api_incidents"),
        {"request": str(it.pause_id), "item": it.item, "severity": "low", "text": "paid twice"},
        "application/json",
    ),
    "api_grant_uses": lambda client, it: client.post(
        reverse("api_grant_uses", args=[standing(it).pk]), {"uses": []}, "application/json"
    ),
    "api_cancel": lambda client, it: client.post(reverse("api_cancel", args=[it.pause_id]), {}, "application/json"),
    "api_consume": consuming,
    "api_lease": lambda client, it: client.post(
        reverse("api_lease", args=[it.pause_id]), {"worker": "one"}, "application/json"
    ),
    "api_outcome": lambda client, it: client.post(
        reverse("api_outcome", args=[it.pause_id, it.item]), {"result": "succeeded"}, "application/json"
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
    if name not in ("api_action_types", "api_action_type"):  # which people's tools may read, too
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


def newest() -> int:
    return snapshot.current().number


def rehearsed() -> object:
    return trials.ask(Period(), by=None).pk


POLICY = {
    "draft": of_policy("draft", "get"),
    "publish": of_policy("publish"),
    "withdraw": of_policy("withdraw"),
    "discard": of_policy("discard"),
    "import": of_policy("import"),
    "export_draft": of_policy("export_draft", "get"),
    "export": of_policy("export", "get", on=newest),
    "revert": of_policy("revert", on=newest),
    "rehearse": of_policy("rehearse"),
    "sample": of_policy("sample", "get"),
    "try": of_policy("try"),
    "rehearsal": of_policy("rehearsal", "get", on=rehearsed),
}
ALTERS = {"publish", "withdraw", "discard", "import", "revert"}


@pytest.mark.parametrize("name", POLICY)
def test_the_policy_is_the_admins(name, everybody, refunds, as_):
    everybody["admin"].groups.add(Group.objects.get(name=roles.ADMINS))
    for role, user in everybody.items():
        ActionType.objects.update(title=f"{role} of {name}")
        digest, before = versions.draft().digest, newest()
        response = POLICY[name](as_(user) if user else Client(), digest)
        allowed = role in ("admin", "superuser")
        reached = response.status_code not in DENIED or response.get("Location", "").startswith("/admin/a")
        assert reached == allowed, role
        assert (newest() > before) == (allowed and name == "publish"), role
        assert versions.draft().differs == (not (allowed and name in ("publish", "discard"))), role


@pytest.mark.parametrize("name", sorted(ALTERS | {"rehearse"}))
def test_no_link_alters_policy(name, root, refunds, as_):
    args = [newest()] if name == "revert" else []

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
    found = {one.name.rpartition("_")[2] for one in pages if one.name}

    assert found - {"changelist", "add", "history", "delete", "change"} == RULES.keys()


def test_every_page_of_policy_stands_in_the_table():
    own = admin.site._registry[PolicyVersion].get_urls()
    found = {one.name.removeprefix("approvals_policyversion_") for one in own if one.name}

    assert found - {"changelist", "add", "history", "delete", "change"} == POLICY.keys()


# --- The kill switch: of the whole house, so that the domain of a reviewer of the highest tier does not matter


def switched(role: str, user: User | None, as_, password: str = PASSWORD) -> list[bool]:
    """Whether this person stops and lifts, on the page and by a token."""
    browser = as_(user) if user else Client()
    token = client_of(keys.issue(user=user, name="test")[1]) if user else Client()
    done = []
    browser.post(reverse("stop"), {"why": role})
    done.append(stops.standing() is not None)
    stops.stop(by=None, why="another")
    browser.post(reverse("account_reauthenticate"), {"password": password})
    browser.post(reverse("stop_lift"))
    done.append(stops.standing() is None)
    stops.lift(by=None)
    token.post(reverse("api_stop"), {"why": role}, content_type="application/json")
    done.append(stops.standing() is not None)
    stops.stop(by=None, why="another")
    token.delete(reverse("api_stop"), {"password": password}, content_type="application/json")
    done.append(stops.standing() is None)
    stops.lift(by=None)
    return done


def test_the_kill_switch_is_for_the_highest_tier_managers_and_admins(everybody, as_):
    everybody["admin"].groups.add(Group.objects.get(name=roles.ADMINS))
    for role, user in everybody.items():
        allowed = role in ("R3", "RX", "manager", "admin", "superuser")
        assert switched(role, user, as_) == [allowed] * 4, role


def test_an_agent_is_paused_by_the_highest_tier_of_its_domain_managers_and_admins(everybody, propose, robot, as_):
    everybody["admin"].groups.add(Group.objects.get(name=roles.ADMINS))
    for role, user in everybody.items():
        allowed = role in ("R3", "manager", "admin", "superuser")
        browser = as_(user) if user else Client()
        token = client_of(keys.issue(user=user, name="test")[1]) if user else Client()
        done = []
        for pause, reject in (
            (
                lambda browser=browser: browser.post(reverse("agent_pause", args=[robot.pk])),
                lambda browser=browser: browser.post(reverse("agent_reject", args=[robot.pk]), {"message": "no"}),
            ),
            (
                lambda token=token: token.post(reverse("api_agent_pause", args=["robot"])),
                lambda token=token: token.post(
                    reverse("api_reject_pending", args=["robot"]), {"message": "no"}, "application/json"
                ),
            ),
        ):
            approval = propose()
            done.append(browser.get(reverse("agent", args=[robot.pk])).status_code == 200)
            pause()
            done.append(Agent.objects.filter(pk=robot.pk, paused_at=None).update(paused_at=None) == 0)
            Agent.objects.update(paused_at=None)
            reject()
            done.append(load(approval.pk).status != "pending")
        assert done == [allowed] * 6, role


def test_an_agents_key_stops_nothing(robot):
    own = client_of(keys.issue(agent=robot, name="own")[1])

    assert own.get(reverse("api_stop")).status_code == 403
    assert own.post(reverse("api_agent_pause", args=["robot"])).status_code == 403
    assert (
        own.post(reverse("api_reject_pending", args=["robot"]), {"message": "x"}, "application/json").status_code == 403
    )
    assert own.post(reverse("api_stop"), {"why": "x"}, content_type="application/json").status_code == 403
    assert stops.standing() is None


# --- Nothing is left out


def names(patterns: list[URLPattern | URLResolver]) -> set[str]:
    found = set()
    for one in patterns:
        if isinstance(one, URLResolver):
            if one.app_name not in ("admin",) and not str(one.pattern).startswith("account/"):
                found |= names(one.url_patterns)
        else:
            found.add(one.name or str(one.pattern))
    return found


def test_every_address_stands_in_a_row():
    listed = PAGES.keys() | TOKENS.keys() | AGENTS.keys() | OF_A_REQUEST.keys() | OWN | OPEN | SWITCH

    assert names(get_resolver().url_patterns) == listed


def test_every_admin_action_is_known():
    found = {
        f"{model._meta.model_name}.{name}"
        for model, page in admin.site._registry.items()
        for group in ("actions", "actions_detail", "actions_list")
        for name in getattr(page, group, None) or ()
    }

    assert found == {
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
        "peoplerequest.give",
        "peoplerequest.refuse",
    }


def test_people_sign_in_with_a_password_and_those_who_left_do_not(alice, oscar):
    for username, status in (("alice", 302), ("oscar", 200)):
        response = Client().post(reverse("account_login"), {"login": username, "password": PASSWORD})
        assert (response.status_code == 302 and response["Location"] == "/") == (status == 302), username
