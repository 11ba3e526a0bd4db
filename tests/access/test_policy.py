"""The admin's pages of policy: who drafts, publishes and writes rules."""

from collections.abc import Callable

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from approvals.models import ActionType, PolicyVersion, Rule
from approvals.people import roles
from approvals.policy import snapshot
from approvals.policy.authoring import rehearsal_jobs, versions
from approvals.policy.authoring.rehearsal import Period
from tests.access.operations import DENIED


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
