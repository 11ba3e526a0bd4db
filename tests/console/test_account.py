"""Signing in, one's own settings, the history and the demo's mailbox."""

import pytest
from django.test import Client
from django.urls import reverse

from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import User
from approvals.people import invitations
from tests.conftest import PASSWORD

MAIL = (
    b"From: robot@example.com\r\nTo: ana@example.com\r\nSubject: Your refund\r\n\r\n<b>42 EUR</b> are on the way.\r\n"
)


def test_one_signs_in_with_the_user_name_or_the_address(alice, client):
    for login in ("alice", "alice@example.com"):
        response = client.post(reverse("account_login"), {"login": login, "password": PASSWORD})
        assert response["Location"] == "/"
        client.logout()


def test_a_wrong_password_is_said_and_sends_nowhere(alice, client):
    response = client.post(reverse("account_login"), {"login": "alice", "password": "wrong"})

    assert response.status_code == 200
    assert 'role="alert"' in response.content.decode()


def test_the_login_leads_to_no_other_site(alice, client):
    response = client.post(
        reverse("account_login") + "?next=//elsewhere.example/", {"login": "alice", "password": PASSWORD}
    )

    assert "elsewhere" not in response["Location"]


def test_an_invited_person_sets_a_password_and_the_link_is_over(person, client):
    newcomer = person("newcomer")
    link = invitations.link(newcomer)
    form = client.get(link, follow=True)
    page = form.content.decode()
    assert "Set your password" in page and "For newcomer." in page

    address = form.redirect_chain[-1][0]
    short = client.post(address, {"password1": "short", "password2": "short"}).content.decode()
    assert 'id="password1-error"' in short and "too short" in short
    chosen = "a lamp that hums at night"
    done = client.post(address, {"password1": chosen, "password2": chosen}, follow=True).content.decode()
    assert "Your password is set" in done
    signed_in = client.post(reverse("account_login"), {"login": "newcomer", "password": chosen})
    assert signed_in["Location"] == "/"
    again = Client().get(link, follow=True).content.decode()
    assert "This link no longer works" in again and "Set your password</h1>" not in again


def test_one_changes_the_password_on_a_page_of_the_console(alice, client):
    client.post(reverse("account_login"), {"login": "alice", "password": PASSWORD})
    address, chosen = reverse("account_change_password"), "a lamp that hums at night"
    wrong = client.post(address, {"oldpassword": "wrong", "password1": chosen, "password2": chosen}).content.decode()
    assert 'id="oldpassword-error"' in wrong

    client.post(address, {"oldpassword": PASSWORD, "password1": chosen, "password2": chosen})
    alice.refresh_from_db()
    assert alice.check_password(chosen)


def test_nobody_signs_up(client, db):
    form = {"username": "eve", "email": "eve@example.com", "password1": PASSWORD, "password2": PASSWORD}
    client.post(reverse("account_signup"), form)

    assert not User.objects.filter(username="eve").exists()


def test_u05_the_profile_turns_single_keys_off(alice, as_):
    client = as_(alice)
    assert 'data-single-keys="on"' in client.get("/").content.decode()
    client.post(reverse("profile:profile"), {"language": "en", "time_zone": "Europe/Berlin", "theme": "dark"})
    page = client.get("/").content.decode()

    assert 'data-single-keys="off"' in page
    assert 'data-theme="dark"' in page


def test_u54_times_are_in_the_viewers_zone_with_utc_on_hover(refund, alice, as_):
    User.objects.filter(pk=alice.pk).update(time_zone="Asia/Tokyo")
    page = as_(alice).get(reverse("card:card", args=[refund.pk])).content.decode()

    stated = refund.created_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    assert f'title="{stated}"' in page
    assert f">{(refund.created_at.hour + 9) % 24:02d}:" in page or "Nov" in page


def test_an_unknown_zone_is_refused(alice, as_):
    response = as_(alice).post(
        reverse("profile:profile"), {"language": "en", "time_zone": "Mars/Base", "theme": "dark"}
    )

    assert response.status_code == 422


@pytest.mark.parametrize("back", ["//elsewhere.example/", "https://elsewhere.example/", "javascript:alert(1)"])
def test_the_theme_switch_leads_to_no_other_site(back, alice, as_):
    response = as_(alice).post(reverse("profile:theme"), {"theme": "dark", "next": back})

    assert response["Location"] == "/"


def test_u38_ones_last_decisions_are_in_the_history_with_their_state(propose, alice, carol, as_):
    mine, hers, _waiting = propose(order="mine"), propose(order="hers"), propose(order="waiting")
    decide(card_version_of(mine), by=alice, verdict="approve")
    decide(card_version_of(hers), by=carol, verdict="reject", verdict_input=VerdictInput(reason="policy"))
    page = as_(alice).get(reverse("history:history"), {"by": "me"}).content.decode()

    assert "order mine" in page
    assert "order hers" not in page
    assert "order waiting" not in page
    assert "Released" in page


def test_the_history_holds_only_what_one_may_see(propose, carol, mallory, as_):
    approval = propose(order="secret")
    decide(card_version_of(approval), by=carol, verdict="approve")

    assert "secret" not in as_(mallory).get(reverse("history:history")).content.decode()


def test_the_mailbox_is_there_in_the_demo_alone(alice, as_, settings, tmp_path):
    settings.ASSENT_DATA = tmp_path
    settings.ASSENT_DEMO = False
    assert as_(alice).get(reverse("demo:mailbox")).status_code == 404

    folder = tmp_path / "demo" / "mail"
    folder.mkdir(parents=True)
    (folder / "1.eml").write_bytes(MAIL)
    settings.ASSENT_DEMO = True
    page = as_(alice).get(reverse("demo:mailbox")).content.decode()
    assert "Your refund" in page
    assert "&lt;b&gt;42 EUR&lt;/b&gt;" in page


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00", b"Subject: =?bad?q?x?=\r\n\r\n", b"Content-Type: text/plain; charset=nope\r\n\r\nx"],
)
def test_a_mail_that_is_none_breaks_nothing(content, alice, as_, settings, tmp_path):
    settings.ASSENT_DATA, settings.ASSENT_DEMO = tmp_path, True
    folder = tmp_path / "demo" / "mail"
    folder.mkdir(parents=True)
    (folder / "1.eml").write_bytes(content)

    assert as_(alice).get(reverse("demo:mailbox")).status_code == 200
