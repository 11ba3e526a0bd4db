"""Signing in, one's own settings, the history and the demo's mailbox."""

import pytest
from django.urls import reverse

from approvals.models import User
from approvals.review.decisions import Words, decide, seen
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


def test_nobody_signs_up(client, db):
    form = {"username": "eve", "email": "eve@example.com", "password1": PASSWORD, "password2": PASSWORD}
    client.post(reverse("account_signup"), form)

    assert not User.objects.filter(username="eve").exists()


def test_u05_the_profile_turns_single_keys_off(alice, as_):
    client = as_(alice)
    assert 'data-single-keys="on"' in client.get("/").content.decode()
    client.post(reverse("profile"), {"language": "en", "time_zone": "Europe/Berlin", "theme": "dark"})
    page = client.get("/").content.decode()

    assert 'data-single-keys="off"' in page
    assert 'data-theme="dark"' in page


def test_u54_times_are_in_the_viewers_zone_with_utc_on_hover(refund, alice, as_):
    User.objects.filter(pk=alice.pk).update(time_zone="Asia/Tokyo")
    page = as_(alice).get(reverse("approval", args=[refund.pk])).content.decode()

    stated = refund.created_at.strftime("%Y-%m-%d %H:%M:%S UTC")
    assert f'title="{stated}"' in page
    assert f">{(refund.created_at.hour + 9) % 24:02d}:" in page or "Nov" in page


def test_an_unknown_zone_is_refused(alice, as_):
    response = as_(alice).post(reverse("profile"), {"language": "en", "time_zone": "Mars/Base", "theme": "dark"})

    assert response.status_code == 422


@pytest.mark.parametrize("back", ["//elsewhere.example/", "https://elsewhere.example/", "javascript:alert(1)"])
def test_the_theme_switch_leads_to_no_other_site(back, alice, as_):
    response = as_(alice).post(reverse("theme"), {"theme": "dark", "next": back})

    assert response["Location"] == "/"


def test_u38_ones_last_decisions_are_in_the_history_with_their_state(propose, alice, carol, as_):
    mine, hers, _waiting = propose(order="mine"), propose(order="hers"), propose(order="waiting")
    decide(seen(mine), by=alice, verdict="approve")
    decide(seen(hers), by=carol, verdict="reject", words=Words(reason="policy"))
    page = as_(alice).get(reverse("history"), {"by": "me"}).content.decode()

    assert "order mine" in page
    assert "order hers" not in page
    assert "order waiting" not in page
    assert "Released" in page


def test_the_history_holds_only_what_one_may_see(propose, carol, mallory, as_):
    approval = propose(order="secret")
    decide(seen(approval), by=carol, verdict="approve")

    assert "secret" not in as_(mallory).get(reverse("history")).content.decode()


def test_the_mailbox_is_there_in_the_demo_alone(alice, as_, settings, tmp_path):
    settings.ASSENT_DATA = tmp_path
    settings.ASSENT_DEMO = False
    assert as_(alice).get(reverse("demo_mail")).status_code == 404

    folder = tmp_path / "demo" / "mail"
    folder.mkdir(parents=True)
    (folder / "1.eml").write_bytes(MAIL)
    settings.ASSENT_DEMO = True
    page = as_(alice).get(reverse("demo_mail")).content.decode()
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

    assert as_(alice).get(reverse("demo_mail")).status_code == 200
