"""Accounts and memberships: who may give whom what."""

import re

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.core.mail import EmailMessage
from django.core.management import CommandError, call_command
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from approvals.models import Membership, SystemAuditEvent, User
from approvals.people import roles

PERSON = "/admin/approvals/user/{}/change/"


def membership(person: str, tier: int = 3, row: int = 0, total: int = 1) -> dict[str, object]:
    return {
        "memberships-TOTAL_FORMS": total,
        f"memberships-{row}-user": person,
        f"memberships-{row}-tier": tier,
        f"memberships-{row}-domain": "commerce",
    }


@pytest.mark.parametrize("who", ["admin", "root"])
def test_nobody_adds_oneself_to_a_tier(who, request, as_, save, refused, tiers, commerce):
    me = request.getfixturevalue(who)

    on_own_page = save(as_(me), PERSON.format(me.pk), **membership(me.pk))
    on_the_tiers_page = save(as_(me), "/admin/approvals/tier/3/change/", **membership(me.pk))

    for page in (on_own_page, on_the_tiers_page):
        assert page.status_code == 200
        assert "Nobody changes their own memberships; ask another admin." in page.content.decode()
    assert not Membership.objects.filter(user=me).exists()


def test_nobody_changes_or_drops_an_own_membership(as_, root, save, tiers, commerce, carol):
    row = Membership.objects.create(user=root, tier_id=3, domain=commerce)

    for change in ({"memberships-0-tier": 2}, {"memberships-0-DELETE": "on"}):
        page = save(as_(root), PERSON.format(root.pk), **change)
        assert "Nobody changes their own memberships" in page.content.decode()

    row.refresh_from_db()
    assert row.tier_id == 3


def test_nobody_hands_an_own_membership_to_somebody_else_or_takes_theirs(as_, root, save, tiers, commerce, carol):
    theirs = carol.memberships.get()

    page = save(as_(root), "/admin/approvals/tier/3/change/", **{"memberships-0-user": root.pk})

    assert "Nobody changes their own memberships" in page.content.decode()
    theirs.refresh_from_db()
    assert theirs.user == carol


def test_another_admin_adds_one_to_a_tier(as_, admin, save, person, tiers, commerce):
    newcomer = person("newcomer")

    assert save(as_(admin), PERSON.format(newcomer.pk), **membership(newcomer.pk)).status_code == 302

    assert newcomer.memberships.get().tier_id == 3


def test_changes_of_memberships_and_rights_stand_in_the_audit_log(as_, root, save, person, bob, carol):
    newcomer = person("newcomer")

    save(as_(root), PERSON.format(newcomer.pk), **membership(newcomer.pk), is_auditor="on")
    save(as_(root), PERSON.format(newcomer.pk), **{"memberships-0-tier": 2})
    save(as_(root), PERSON.format(newcomer.pk), **{"memberships-0-DELETE": "on"})

    events = SystemAuditEvent.objects.filter(subject="user:newcomer", actor="user:root").order_by("seq")
    assert list(events.values_list("kind", "detail")) == [
        ("rights_changed", {"is_auditor": True}),
        ("membership_added", {"tier": 3, "domain": "commerce"}),
        ("given_alone", {"what": "membership", "tier": 3, "domain": "commerce"}),
        ("membership_changed", {"tier": 2, "domain": "commerce", "changed": ["tier"]}),
        ("membership_removed", {"tier": 2, "domain": "commerce"}),
    ]


@pytest.mark.parametrize("who", ["admin", "root"])
def test_nobody_gives_oneself_a_role(who, request, as_, save):
    me = request.getfixturevalue(who)

    save(as_(me), PERSON.format(me.pk), is_manager="on", is_auditor="on", is_superuser="on")

    me.refresh_from_db()
    assert not me.is_manager and not me.is_auditor
    assert me.is_superuser == (who == "root")


def test_an_admin_makes_nobody_an_admin_and_touches_no_superuser(as_, admin, root, save, person):
    newcomer = person("newcomer")

    save(as_(admin), PERSON.format(newcomer.pk), is_staff="on", is_superuser="on", is_manager="on")

    newcomer.refresh_from_db()
    assert newcomer.is_manager
    assert not newcomer.is_staff and not newcomer.is_superuser
    assert as_(admin).post(PERSON.format(root.pk), {"username": "mine"}).status_code == 403
    assert as_(admin).get(f"/admin/approvals/user/{root.pk}/password/").status_code == 403


def test_the_only_reviewer_that_policy_leads_to_is_not_deactivated(
    as_, admin, save, refused, refunds, alice, bob, carol
):
    complaint = refused(save(as_(admin), PERSON.format(alice.pk), is_active=[]))

    assert "The action type “Refund” leads to tier 1" in complaint
    alice.refresh_from_db()
    assert alice.is_active


def test_a_gap_that_was_there_before_does_not_stop_other_work(as_, admin, save, refunds, mia):
    assert save(as_(admin), PERSON.format(mia.pk), first_name="Maria").status_code == 302


def test_people_are_never_deleted(as_, root, mia):
    assert as_(root).post(f"/admin/approvals/user/{mia.pk}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=mia.pk).exists()


def set_password(address: str, password: str) -> HttpResponse:
    """What the person does with the link: follow it, type a password twice."""
    browser = Client()
    page = browser.get(address, follow=True)
    if not page.redirect_chain:
        return page  # the link is over
    return browser.post(page.redirect_chain[-1][0], {"password1": password, "password2": password})


def link_in(letter: EmailMessage) -> str:
    return re.search(r"https?://\S+", letter.body)[0]


def test_a_new_person_sets_the_password_by_a_link_and_gets_a_zone_that_exists(as_, admin, save, refused):
    browser = as_(admin)
    added = save(browser, "/admin/approvals/user/add/", username="newcomer", email="newcomer@example.com")
    newcomer = User.objects.get(username="newcomer")
    assert added.headers["Location"].endswith(PERSON.format(newcomer.pk))
    assert not newcomer.has_usable_password()

    [letter] = mail.outbox
    assert letter.to == ["newcomer@example.com"]
    assert "passwor" not in browser.get(PERSON.format(newcomer.pk)).content.decode().partition("pbkdf2")[2]
    assert set_password(link_in(letter), "correct-horse-staple").status_code == 302
    newcomer.refresh_from_db()
    assert newcomer.check_password("correct-horse-staple")
    assert set_password(link_in(letter), "another-horse-staple").status_code != 302  # once
    [event] = SystemAuditEvent.objects.filter(kind="password_link")
    assert (event.actor, event.subject, event.detail) == ("user:ada", "user:newcomer", {"to": "newcomer@example.com"})

    assert save(browser, PERSON.format(newcomer.pk), time_zone="Europe/Vienna").status_code == 302
    assert "Mars" in refused(save(browser, PERSON.format(newcomer.pk), time_zone="Mars/Olympus"))


@pytest.mark.parametrize("who", ["admin", "root"])
def test_no_admin_sets_a_password_or_leads_the_link_elsewhere(who, request, as_, alice, save):
    browser, before = as_(request.getfixturevalue(who)), alice.password
    form = {"password1": "correct-horse-staple", "password2": "correct-horse-staple", "usable_password": "true"}
    assert browser.post(f"/admin/approvals/user/{alice.pk}/password/", form).status_code == 403
    save(browser, PERSON.format(alice.pk), email="mine@example.com", password="x", first_name="Alicia")

    alice.refresh_from_db()
    assert (alice.password, alice.email, alice.first_name) == (before, "alice@example.com", "Alicia")


def test_a_link_is_sent_again_after_a_question_and_printed_where_there_is_no_mail(as_, admin, alice, capsys):
    page = reverse("admin:approvals_user_invite", args=[alice.pk])
    assert "alice@example.com" in as_(admin).get(page).content.decode()
    assert not mail.outbox
    as_(admin).post(page)
    assert [letter.to for letter in mail.outbox] == [["alice@example.com"]]

    call_command("invite", "alice")
    assert set_password(capsys.readouterr().out.strip(), "correct-horse-staple").status_code == 302
    alice.refresh_from_db()
    assert alice.check_password("correct-horse-staple")
    assert [one.actor for one in SystemAuditEvent.objects.filter(kind="password_link").order_by("seq")] == [
        "user:ada", "command",
    ]  # fmt: skip
    with pytest.raises(CommandError, match="no active person 'nobody'"):
        call_command("invite", "nobody")


def test_without_mail_the_admin_is_told_of_the_command(as_, admin, save, monkeypatch):
    def refuse(*_: object, **__: object) -> int:
        raise ConnectionRefusedError

    monkeypatch.setattr("django.core.mail.EmailMessage.send", refuse)
    browser = as_(admin)
    added = save(browser, "/admin/approvals/user/add/", username="newcomer", email="newcomer@example.com")
    assert "manage.py invite newcomer" in browser.get(added.headers["Location"]).content.decode()


def test_an_absence_ends_after_it_starts(as_, admin, save, refused, alice):
    complaint = refused(
        save(
            as_(admin),
            "/admin/approvals/absence/add/",
            user=alice.pk,
            delegate=alice.pk,
            starts_at_0="2026-12-24",
            starts_at_1="08:00",
            ends_at_0="2026-12-23",
            ends_at_1="08:00",
        )
    )

    assert "ends after it starts" in complaint and "Somebody else stands in" in complaint


def test_the_group_has_what_configuring_needs_and_no_record(db):
    allowed = set(Group.objects.get(name=roles.ADMINS).permissions.values_list("codename", flat=True))

    assert {"change_tier", "change_actiontype", "add_rule", "add_membership", "add_apikey"} <= allowed
    assert not {
        name for name in allowed if name.split("_")[1] in {"approval", "decision", "event", "proposal", "request"}
    }
    assert not {"delete_user", "delete_tier", "delete_agent", "delete_actiontype", "delete_apikey"} & allowed


@pytest.mark.parametrize("who", ["alice", "mia", "otto"])
def test_the_admin_is_closed_to_those_who_are_no_staff(who, request, as_):
    me = request.getfixturevalue(who)

    assert as_(me).get("/admin/").status_code in {302, 403}
    assert as_(me).get("/admin/approvals/tier/").status_code in {302, 403}
