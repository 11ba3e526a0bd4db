"""What was decided is looked at by superusers, without its content, and changed by nobody."""

import pytest

from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Approval, AuditEvent, Decision, PolicyVersion

RECORDS = ("approval", "auditevent", "decision", "delivery", "incident")


@pytest.fixture
def decided(propose, alice) -> Approval:
    approval = propose(order="ORDER-OF-MRS-SMITH", summary="SUMMARY-OF-THE-AGENT", reasoning="REASONING-OF-THE-AGENT")
    verdict_input = VerdictInput(message="MESSAGE-OF-ALICE", reason="other")
    return decide(card_version_of(approval), by=alice, verdict="reject", verdict_input=verdict_input)


def rows(decided: Approval) -> dict[str, object]:
    return {
        "approval": decided.pk,
        "auditevent": AuditEvent.objects.filter(approval=decided).first().pk,
        "decision": Decision.objects.get(approval=decided).pk,
        "policyversion": PolicyVersion.objects.first().pk,
    }


def test_a_superuser_sees_facts_and_no_content(as_, root, decided):
    browser = as_(root)
    pages = [f"/admin/approvals/{model}/" for model in RECORDS]
    pages += [f"/admin/approvals/{model}/{pk}/change/" for model, pk in rows(decided).items()]

    for page in pages:
        answer = browser.get(page)
        text = answer.content.decode()
        assert answer.status_code == 200, page
        for secret in ("MRS-SMITH", "OF-THE-AGENT", "MESSAGE-OF-ALICE", "call_1"):
            assert secret not in text, (page, secret)


def test_nobody_edits_adds_or_deletes_a_record(as_, root, admin, decided):
    for person in (root, admin):
        browser = as_(person)
        for model, pk in rows(decided).items():
            changelist = f"/admin/approvals/{model}/"
            assert browser.get(f"{changelist}add/").status_code == 403
            assert browser.post(f"{changelist}{pk}/change/", {"verdict": "approve", "note": "x"}).status_code == 403
            assert browser.post(f"{changelist}{pk}/delete/", {"post": "yes"}).status_code == 403
            browser.post(changelist, {"action": "delete_selected", "_selected_action": [str(pk)], "post": "yes"})

    assert Approval.objects.get(pk=decided.pk).verdict == "reject"
    assert Decision.objects.filter(approval=decided).count() == 1
    assert AuditEvent.objects.filter(approval=decided).exists()


def test_an_admin_sees_versions_and_no_approvals(as_, admin, decided):
    browser = as_(admin)

    assert browser.get("/admin/approvals/policyversion/").status_code == 200
    assert browser.get("/admin/approvals/delivery/").status_code == 200  # ids and small facts of webhooks
    for model in RECORDS:
        if model != "delivery":
            assert browser.get(f"/admin/approvals/{model}/").status_code == 403
