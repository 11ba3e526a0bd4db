"""Where two admins are active, none alone makes a reviewer from tier 2 on, or has a reviewer set a new password."""

import pytest
from django.core import mail
from django.urls import reverse

from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.errors import NotAllowed
from approvals.models import Delivery, Membership, SecondAdminRequest, SystemAuditEvent, User
from approvals.notify import letters
from approvals.people import second_admin
from tests.admin.test_people import PERSON, membership

LIST = "/admin/approvals/secondadminrequest/"


@pytest.fixture
def newcomer(person) -> User:
    return person("newcomer")


def answer(browser, action: str, *requests: SecondAdminRequest):
    chosen = {"action": action, "_selected_action": [str(one.pk) for one in requests]}
    return browser.post(LIST, chosen, follow=True)


def kinds() -> list[str]:
    return list(SystemAuditEvent.objects.filter(subject="user:newcomer").order_by("seq").values_list("kind", flat=True))


@pytest.mark.parametrize("page", ["person", "tier"])
def test_a_membership_from_tier_2_on_waits_for_a_second_admin(page, as_, admin, root, save, newcomer, bob, commerce):
    on_tier = page == "tier"
    address = "/admin/approvals/tier/2/change/" if on_tier else PERSON.format(newcomer.pk)
    row = int(on_tier)  # Bob's stands before it there
    form = membership(newcomer.pk, tier=2, row=row, total=row + 1)
    form |= {f"memberships-{row}-duty_from": "22:00", f"memberships-{row}-duty_until": "06:00"}
    browser = as_(admin)
    response = save(browser, address, **form)

    assert response.status_code == 302
    assert "waits for a second admin" in browser.get(response["Location"]).content.decode()
    assert not newcomer.memberships.exists()
    people_request = SecondAdminRequest.objects.get()
    assert "only once" in answer(as_(admin), "give", people_request).content.decode()
    assert not newcomer.memberships.exists()

    answer(as_(root), "give", people_request)
    member = newcomer.memberships.get()
    assert (member.tier_id, member.domain, str(member.duty_from)) == (2, commerce, "22:00:00")
    assert kinds() == ["people_asked", "membership_added"]
    answer(as_(root), "give", people_request)
    assert newcomer.memberships.count() == 1


def test_a_refused_one_is_not_given_later(as_, admin, root, save, newcomer, tiers, commerce):
    save(as_(admin), PERSON.format(newcomer.pk), **membership(newcomer.pk))
    people_request = SecondAdminRequest.objects.get()
    answer(as_(root), "refuse", people_request)
    answer(as_(root), "give", people_request)

    assert not newcomer.memberships.exists()
    assert kinds() == ["people_asked", "people_refused"]


@pytest.mark.parametrize(
    ("before", "change", "waits"),
    [
        ((1, "commerce"), {"tier": 2}, True),
        ((3, "commerce"), {"tier": 2}, False),
        ((2, "commerce"), {"domain": ""}, True),
        ((2, None), {"domain": "commerce"}, False),
        ((2, "commerce"), {"duty_from": "08:00", "duty_until": "16:00"}, False),
    ],
)
def test_only_what_widens_waits(before, change, waits, as_, admin, root, save, newcomer, tiers, commerce, bob, carol):
    tier, domain = before
    row = Membership.objects.create(user=newcomer, tier_id=tier, domain_id=domain)
    save(as_(admin), PERSON.format(newcomer.pk), **{f"memberships-0-{name}": value for name, value in change.items()})

    assert SecondAdminRequest.objects.exists() == waits
    row.refresh_from_db()
    assert ((row.tier_id, row.domain_id, row.duty_from) == (tier, domain, None)) == waits
    if waits:
        answer(as_(root), "give", SecondAdminRequest.objects.get())
        row.refresh_from_db()
        assert (row.tier_id, row.domain_id) == (change.get("tier", tier), None if "domain" in change else domain)
        assert newcomer.memberships.count() == 1


def test_nobody_answers_what_is_about_oneself(admin, root, person, tiers, commerce):
    third = person("third", is_staff=True, is_superuser=True)
    people_request = second_admin.of_membership(Membership(user=third, tier_id=3, domain=commerce), by=root)
    second_admin.ask(people_request)
    for who in (third, root):
        with pytest.raises(NotAllowed):
            second_admin.give(people_request.pk, by=who)
    second_admin.give(people_request.pk, by=admin)
    assert third.memberships.get().tier_id == 3


def test_what_was_asked_twice_is_one_membership(admin, root, newcomer, tiers, commerce):
    row = Membership.objects.create(user=newcomer, tier=tiers[1], domain=commerce)
    wished = Membership(user=newcomer, tier=tiers[2], domain=commerce)
    requests = [second_admin.of_membership(wished, by=admin, replaces=replaces) for replaces in (None, None, row)]
    for request in requests:
        second_admin.ask(request)
    for request in requests:
        second_admin.give(request.pk, by=root)

    assert newcomer.memberships.get().tier_id == 2


def test_tier_1_takes_one_admin(as_, admin, root, save, newcomer, tiers, commerce):
    save(as_(admin), PERSON.format(newcomer.pk), **membership(newcomer.pk, tier=1))
    assert newcomer.memberships.get().tier_id == 1
    assert not SecondAdminRequest.objects.exists()


def test_with_one_admin_auditors_are_told_and_the_cards_say_so_for_a_week(
    as_, admin, oscar, otto, save, newcomer, propose, alice, tiers, commerce
):
    save(as_(admin), PERSON.format(newcomer.pk), **membership(newcomer.pk, tier=2))
    assert newcomer.memberships.get().tier_id == 2
    assert kinds() == ["membership_added", "given_alone"]
    letter = Delivery.objects.get(topic=second_admin.ALARM)
    letters.deliver(str(letter.pk))
    [sent] = mail.outbox
    assert sent.to == [otto.email]
    assert "ada alone" in sent.subject

    approval = propose()
    decide(card_version_of(approval), by=User.objects.get(pk=newcomer.pk), verdict="approve")
    page = reverse("card:card", args=[approval.pk])
    assert "alone, with no second admin" in as_(alice).get(page).content.decode()
    SecondAdminRequest.objects.update(closed_at=load(approval.pk).created_at - second_admin.NOTICE_FOR)
    assert "alone, with no second admin" not in as_(alice).get(page).content.decode()


def test_a_reviewers_new_password_takes_two_and_another_persons_one(as_, admin, root, alice, mia):
    def press(person):
        as_(admin).post(reverse("admin:approvals_user_invite", args=[person.pk]))

    press(mia)
    assert [letter.to for letter in mail.outbox] == [[mia.email]]
    press(alice)
    assert len(mail.outbox) == 1
    answer(as_(root), "give", SecondAdminRequest.objects.get())
    assert mail.outbox[-1].to == [alice.email]
