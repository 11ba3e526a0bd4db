"""Who may do what: every role, operation and surface from one table; an address that stands in no row fails it.

The approval under test waits in tier 2 of commerce and is robot's. R1, R2 and R3 review commerce, RX another domain;
the owner is a tier 3 reviewer who operates robot.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.contrib import admin
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from agents import keys
from approvals.models import Agent, Approval, User
from approvals.review import access, claims
from approvals.review.decisions import decide, load, seen
from tests.conftest import PASSWORD

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
    return lambda client, approval: client.get(reverse(name, args=[approval.pk] if on else []), query)


def post(name: str, **data: str) -> Callable[[Client, Approval], HttpResponse]:
    def call(client: Client, approval: Approval) -> HttpResponse:
        form = {"revision": approval.revision, "round": approval.round, "digest": approval.digest, **data}
        return client.post(reverse(name, args=[approval.pk]), form)

    return call


def batch(client: Client, approval: Approval) -> HttpResponse:
    Approval.objects.filter(pk=approval.pk).update(flagged=0)  # the first of its kind, and then a repetition
    pick = f"{approval.pk}:{approval.revision}:{approval.round}:{approval.digest}"
    return client.post(reverse("batch"), {"pick": pick, "verdict": "approve"})


def settled(approval: Approval, user: User | None) -> bool:
    return bool(user) and approval.decided_by_id == user.pk


def claimed(approval: Approval, user: User | None) -> bool:
    return bool(user) and approval.claimed_by_id == user.pk


SEES = "R2 R3 owner manager auditor"
PAGES = {
    "inbox": Operation(SIGNED_IN, get("inbox", on=False)),
    "overview": Operation(SIGNED_IN, get("overview", on=False)),
    "history": Operation(SIGNED_IN, get("history", on=False)),
    "profile": Operation(SIGNED_IN, get("profile", on=False)),
    "approval": Operation(f"{SEES} superuser", get("approval")),
    "actions": Operation(SEES, get("actions")),
    "claimed": Operation(SEES, get("claimed")),
    "approve": Operation(SEES, get("approve")),
    "reject": Operation(SEES, get("reject")),
    "modify": Operation(
        "R2 R3", post("modify", mode="raw", raw='{"order": "456", "amount": 5999, "currency": "EUR"}'), settled
    ),
    # Previews: they change nothing, and show no more than the card does.
    "modify_form": Operation(SEES, post("modify_form")),
    "modify_diff": Operation(SEES, post("modify_diff")),
    "decide": Operation("R2 R3", post("decide", verdict="approve"), settled),
    "escalate": Operation("R2 R3 owner", post("escalate"), lambda approval, _: approval.tier_id == 3),
    "claim": Operation("R2 R3", post("claim"), claimed, quiet=True),
    "comment": Operation(
        "R2 R3 owner manager", post("comment", text="hm"), lambda approval, _: approval.notes.exists()
    ),
    "batch": Operation("R2 R3", batch, settled, quiet=True),
    "report": Operation(REVIEWERS, get("report", on=False)),
    "report_rows": Operation(REVIEWERS, get("report_rows", on=False)),
    "report_csv": Operation("manager auditor", get("report_csv", on=False)),
    "report_figures": Operation("manager auditor", get("report_figures", on=False)),
    "calibration": Operation("manager auditor", get("calibration", on=False)),
    "theme": Operation(
        SIGNED_IN,
        lambda client, _: client.post(reverse("theme"), {"theme": "dark"}),
        lambda _, user: User.objects.get(pk=user.pk).theme == "dark" if user else False,
    ),
}
# Needs a held verdict or a claim of one's own; each is tried below with everybody else.
OWN = {"undo", "release"}
# No person's and no approval's data.
OPEN = {"favicon", "health_live", "health_ready", "demo_mail", "api_docs", "api_openapi", "api_missing"}


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


def test_somebody_who_is_not_signed_in_is_sent_to_the_login(refund):
    for name, operation in PAGES.items():
        response = operation.call(Client(), refund)
        assert response.status_code == 302, name
        assert response["Location"].startswith(reverse("account_login")), name


def test_only_who_decided_takes_it_back(with_undo, everybody, propose, as_):
    bob = everybody["R2"]
    for role, user in everybody.items():
        approval = propose(amount=6000)
        decide(seen(approval), by=bob, verdict="approve")
        (as_(user) if user else Client()).post(reverse("undo", args=[approval.pk]))
        assert (load(approval.pk).status == "pending") == (role == "R2"), role


def test_only_who_claimed_returns_it(everybody, propose, as_):
    bob = everybody["R2"]
    for role, user in everybody.items():
        approval = propose(amount=6000)
        claims.claim(approval.pk, by=bob)
        (as_(user) if user else Client()).post(reverse("release", args=[approval.pk]))
        assert (load(approval.pk).claimed_by is None) == (role == "R2"), role


def test_who_administers_sees_metadata_and_no_content(everybody, propose, as_):
    approval = propose(amount=6000, summary="the customer's own words", order="order-77")
    page = as_(everybody["superuser"]).get(reverse("approval", args=[approval.pk])).content.decode()

    assert "the customer&#x27;s own words" not in page
    assert "order-77" not in page
    assert "6000" not in page


def test_who_was_asked_once_may_still_open_it(refund, alice, bob, as_):
    claims.escalate(refund.pk, by=alice)

    assert as_(alice).get(reverse("approval", args=[refund.pk])).status_code == 200
    as_(alice).post(
        reverse("decide", args=[refund.pk]),
        {"verdict": "approve", "revision": 1, "round": 1, "digest": refund.digest},
    )
    assert load(refund.pk).status == "pending"


def test_a_get_decides_nothing(refund, alice, as_):
    query = {"verdict": "approve", "revision": 1, "round": 1, "digest": refund.digest}
    for name in PAGES.keys() - {"inbox"}:
        try:
            address = reverse(name, args=[refund.pk])
        except Exception:
            address = reverse(name)
        as_(alice).get(address, query)

    assert load(refund.pk).status == "pending"


@pytest.mark.parametrize("field", ["revision", "round", "digest"])
def test_a_verdict_on_something_else_than_what_was_seen_is_409(field, refund, alice, as_):
    form = {"verdict": "approve", "revision": 1, "round": 1, "digest": refund.digest}
    form[field] = "sha256:" + "0" * 64 if field == "digest" else 7
    response = as_(alice).post(reverse("decide", args=[refund.pk]), form)

    assert response.status_code == 409
    assert load(refund.pk).status == "pending"


def test_a_verdict_without_the_pages_token_is_refused(refund, alice):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    form = {"verdict": "approve", "revision": 1, "round": 1, "digest": refund.digest}

    assert browser.post(reverse("decide", args=[refund.pk]), form).status_code == 403
    assert load(refund.pk).status == "pending"


# --- Live updates


def test_live_updates_of_a_queue_reach_who_may_see_it(everybody, propose):
    propose(amount=6000)
    hears = {role for role, user in everybody.items() if user and "2.commerce" in access.queues_of(user)}

    assert hears == {"R2", "R3", "owner", "manager", "auditor"}


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


ASKED = {"action": "refund", "args": {"order": "1", "amount": 1, "currency": "EUR"}}
AGENTS = {
    "api_requests": lambda client, _: client.post(reverse("api_requests"), ASKED, content_type="application/json"),
    "api_bulk": lambda client, _: client.post(
        reverse("api_bulk"), {"requests": [ASKED]}, content_type="application/json"
    ),
    "api_evaluate": lambda client, _: client.post(reverse("api_evaluate"), ASKED, content_type="application/json"),
    "api_action_types": lambda client, _: client.get(reverse("api_action_types")),
    "api_action_type": lambda client, _: client.get(reverse("api_action_type", args=["refund"])),
}
OF_A_REQUEST = {
    "api_request": lambda client, it: client.get(reverse("api_request", args=[it.pause_id])),
    "api_decision": lambda client, it: client.get(reverse("api_decision", args=[it.pause_id])),
    "api_cancel": lambda client, it: client.post(reverse("api_cancel", args=[it.pause_id]), {}, "application/json"),
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
    listed = PAGES.keys() | TOKENS.keys() | AGENTS.keys() | OF_A_REQUEST.keys() | OWN | OPEN

    assert names(get_resolver().url_patterns) == listed


def test_every_admin_action_is_known():
    found = {
        f"{model._meta.model_name}.{name}"
        for model, page in admin.site._registry.items()
        for name in [*(page.actions or ()), *(getattr(page, "actions_detail", None) or ())]
    }

    assert found == {
        "agent.pause",
        "agent.resume",
        "agent.issue_key",
        "apikey.revoke",
        "apikey.revoke_this",
    }


def test_people_sign_in_with_a_password_and_those_who_left_do_not(alice, oscar):
    for username, status in (("alice", 302), ("oscar", 200)):
        response = Client().post(reverse("account_login"), {"login": username, "password": PASSWORD})
        assert (response.status_code == 302 and response["Location"] == "/") == (status == 302), username
