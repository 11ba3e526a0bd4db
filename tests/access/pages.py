"""The table of pages: who may do what in the console, with the addresses that are nobody's or one's own."""

from uuid import uuid4

from django.urls import reverse

from approvals.models import Absence, ActionType, Attempt, Breaker, Incident, Outcome, Overload, UnsentText, User
from tests.access.levels import (
    closing_breaker,
    closing_incident,
    declaring_trial,
    lowering,
    open_breaker_of,
    opening_breaker,
    signing,
    trusted,
)
from tests.access.operations import (
    REVIEWERS,
    SIGNED_IN,
    Operation,
    acknowledge_overload,
    an_absence,
    attached,
    batch,
    claimed,
    closing,
    confirming,
    discard_unsent,
    edit_foreign_channel,
    gave_standing_approval,
    get,
    guide,
    its_run,
    keep_unsent,
    new_standing_approval,
    past_overload,
    post,
    post_review,
    pre_approve_next,
    recalled_by,
    recalling,
    report_incident,
    reviewed_by,
    revoking,
    run_advised,
    run_guided,
    settled,
    snooze,
    standing_approval,
    stuck_step,
)

SEES = "R2 R3 owner manager auditor"
PAGES = {
    "inbox:inbox": Operation(SIGNED_IN, get("inbox:inbox", on=False)),
    "inbox:overview": Operation(SIGNED_IN, get("inbox:overview", on=False)),
    "inbox:terms": Operation(SIGNED_IN, get("inbox:terms", on=False)),
    "history:terms": Operation(SIGNED_IN, get("history:terms", on=False)),
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
    "reports:decisions_jsonl": Operation("manager auditor", get("reports:decisions_jsonl", on=False)),
    "reports:weekly": Operation("manager auditor", get("reports:weekly", on=False)),
    "reports:versions": Operation("manager auditor", get("reports:versions", on=False)),
    "oversight:oversight": Operation(
        REVIEWERS + " manager auditor" if "manager" not in REVIEWERS else REVIEWERS,
        get("oversight:oversight", on=False),
    ),
    "reports:figures_json": Operation("manager auditor", get("reports:figures_json", on=False)),
    "reports:calibration_json": Operation("manager auditor", get("reports:calibration_json", on=False)),
    "reports:import_outcomes": Operation("manager", get("reports:import_outcomes", on=False)),
    "reports:shadow": Operation("manager auditor", get("reports:shadow", on=False)),
    "reports:shadow_csv": Operation("manager auditor", get("reports:shadow_csv", on=False)),
    "reports:thresholds": Operation("manager auditor", get("reports:thresholds", on=False)),
    # Of admins those who may change action types: none of the cast's.
    "reports:draft_threshold": Operation(
        "superuser",
        lambda client, _: client.post(reverse("reports:draft_threshold"), {"type": "refund", "threshold": "0.90"}),
        lambda _, user: ActionType.objects.filter(auto_threshold="0.900").update(auto_threshold="0.850") > 0,
    ),
    "reports:calibration": Operation("manager auditor", get("reports:calibration", on=False)),
    "evidence:fleet": Operation("manager auditor", get("evidence:fleet", on=False)),
    "evidence:cell": Operation(
        "manager auditor", lambda client, it: client.get(reverse("evidence:cell", args=[trusted(it).pk]))
    ),
    "evidence:sign": Operation("manager", signing, lambda approval, _: trusted(approval).level_in("high") == 3),
    "evidence:lower": Operation("manager", lowering, lambda approval, _: trusted(approval).level == 1),
    "evidence:open_breaker": Operation(
        "manager", opening_breaker, lambda _, user: bool(user) and Breaker.objects.filter(opened_by=user).exists()
    ),
    "evidence:breaker": Operation(
        "manager auditor", lambda client, it: client.get(reverse("evidence:breaker", args=[open_breaker_of(it).pk]))
    ),
    "evidence:close_breaker": Operation(
        "manager", closing_breaker, lambda _, user: bool(user) and Breaker.objects.filter(closed_by=user).exists()
    ),
    "evidence:declare_trial": Operation(
        "manager", declaring_trial, lambda approval, _: open_breaker_of(approval).trial_decisions == 44
    ),
    "evidence:close_incident": Operation(
        "manager", closing_incident, lambda _, user: bool(user) and Incident.objects.filter(closed_by=user).exists()
    ),
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


OPEN |= {"help:contents", "help:page", "help:titles", "sign_in:session"}


# One's own, and after a fresh sign-in; others are refused in tests/console/test_sessions.py.
OWN |= {"profile:end_session", "profile:issue_token", "profile:revoke_token"}


OWN |= {"card:passkey"}  # where a gate takes one; others are refused in tests/console/test_second_factor_gate.py


OPEN |= {"account_set_password"}  # leads to the reset by mail, which is open


# Signed by Slack in the place of a session; each refusal is tried in tests/slack/test_refused.py.
OPEN |= {"slack:interactions", "slack:commands"}


# Tried below, with everybody.
SWITCH = {"kill_switch:stop", "kill_switch:lift", "api:stop"}


SWITCH |= {"agent:agent", "agent:pause", "agent:reject", "api:agent_pause", "api:reject_pending"}
