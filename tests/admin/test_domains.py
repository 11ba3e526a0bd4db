"""A domain is retired: policy leads nowhere to it, what waits there can be decided, and it can come back."""

import pytest

from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.models import ActionType, Domain, Membership, PolicyVersion
from approvals.policy import snapshot
from approvals.policy.authoring import versions

TYPE = "/admin/approvals/actiontype/refund/change/"


@pytest.fixture
def page(refunds) -> str:
    return f"/admin/approvals/domain/{refunds.domain_id}/change/"


@pytest.fixture
def desk(as_, admin, refunds, alice, bob, carol):
    snapshot.publish(by=None, note="start")
    return as_(admin)


def test_a_domain_in_use_is_not_retired(desk, save, refused, page, refunds):
    assert "Policy still leads to" in refused(save(desk, page, active=""))
    ActionType.objects.filter(domain=refunds.domain_id).update(active=False)
    assert "publish the draft first" in refused(save(desk, page, active=""))
    assert Domain.objects.get(pk=refunds.domain_id).active


def test_nobody_uses_it_any_more_so_it_is_retired_and_brought_back(desk, save, page, refunds, alice):
    before = Membership.objects.count()
    ActionType.objects.filter(domain=refunds.domain_id).update(active=False)
    snapshot.publish(by=None, note="moved")
    for value in ("", "on"):
        assert save(desk, page, active=value).status_code == 302
        assert Domain.objects.get(pk=refunds.domain_id).active is bool(value)
    assert Membership.objects.count() == before


def test_pickers_offer_active_domains_and_what_already_stands_there(desk, refunds):
    Domain.objects.create(slug="old", name="Old field", active=False)
    assert "Old field" not in desk.get(TYPE).content.decode()
    assert "Old field" not in desk.get("/admin/approvals/rule/add/").content.decode()
    ActionType.objects.filter(pk="refund").update(domain="old")
    assert "Old field" in desk.get(TYPE).content.decode()


def test_policy_that_leads_to_a_retired_domain_is_not_published(desk, refunds, admin):
    old = Domain.objects.create(slug="old", name="Old field", active=False)
    ActionType.objects.filter(pk="refund").update(domain=old)
    draft = versions.draft()
    before = PolicyVersion.objects.count()
    with pytest.raises(versions.NotPublished, match="“Old field” is retired, and this leads to it"):
        versions.publish(by=admin, note="moved", digest=draft.digest)
    assert PolicyVersion.objects.count() == before


def test_what_waits_in_a_retired_domain_can_be_decided(desk, save, page, refunds, refund, alice):
    ActionType.objects.filter(domain=refunds.domain_id).update(active=False)
    snapshot.publish(by=None, note="moved")
    assert save(desk, page, active="").status_code == 302
    assert decide(card_version_of(refund), by=alice, verdict="approve").status == "released"
