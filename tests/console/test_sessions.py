"""Where one is signed in: listed, ended, over without its person; and personal tokens, which end with the password."""

import time
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from agents import keys
from agents.models import ApiKey
from approvals.db import times
from approvals.models import AccountEvent, User
from console.inbox import live
from console.profile import sessions
from console.sign_in import presence
from tests.conftest import PASSWORD


@pytest.fixture(autouse=True)
def counted_anew():
    cache.clear()  # where allauth counts attempts
    keys.forget()


def signed_in(user: User) -> Client:
    client = Client()
    client.post(reverse("account_login"), {"login": user.username, "password": PASSWORD})
    return client


def is_signed_in(client: Client) -> bool:
    return client.get(reverse("profile:profile")).status_code == 200


def row_of(client: Client) -> UserSession:
    return UserSession.objects.get(session_key=client.session.session_key)


def test_sessions_are_listed_and_ended_one_by_one(alice):
    here, there, third = signed_in(alice), signed_in(alice), signed_in(alice)
    page = here.get(reverse("profile:security")).content.decode()
    assert reverse("profile:end_session", args=[row_of(there).pk]) in page
    assert reverse("profile:end_session", args=[row_of(here).pk]) not in page

    here.post(reverse("profile:end_session", args=[row_of(there).pk]))
    assert (is_signed_in(here), is_signed_in(there), is_signed_in(third)) == (True, False, True)


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 "
            "Safari/537.36 Edg/142.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/18.5 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile "
            "Safari/537.36",
            "Chrome on Android",
        ),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "Unknown device"),
        ("x" * 200, "x" * 39 + "…"),
    ],
)
def test_a_session_names_its_browser_and_system(user_agent, device):
    assert sessions.device(user_agent) == device


def test_there_is_nothing_else_to_sign_out_of_with_one_session(alice):
    here = signed_in(alice)
    assert reverse("profile:end_sessions") not in here.get(reverse("profile:security")).content.decode()

    signed_in(alice)
    assert reverse("profile:end_sessions") in here.get(reverse("profile:security")).content.decode()


def test_sessions_end_everywhere_else(alice, bob):
    here, there, bobs = signed_in(alice), signed_in(alice), signed_in(bob)
    here.post(reverse("profile:end_sessions"))

    assert (is_signed_in(here), is_signed_in(there), is_signed_in(bobs)) == (True, False, True)
    assert AccountEvent.objects.filter(user=alice, kind="session_ended").count() == 1


def test_nobody_ends_another_persons_session(alice, bob):
    mine, theirs = signed_in(alice), signed_in(bob)
    response = mine.post(reverse("profile:end_session", args=[row_of(theirs).pk]))

    assert response.status_code == 404
    assert is_signed_in(theirs)


def test_a_late_answer_to_an_ended_session_leaves_the_next_sign_in_alone(alice):
    ended, mismatched, out = signed_in(alice), signed_in(alice), signed_in(alice)
    Session.objects.filter(session_key=ended.session.session_key).delete()
    session = mismatched.session
    session["_auth_user_hash"] = "of another password"
    session.save()

    for client in (ended, mismatched):
        late = client.get(reverse("profile:profile"))
        assert late.status_code == 302
        assert "sessionid" not in late.cookies
    assert out.post(reverse("account_logout")).cookies["sessionid"].value == ""


def age_session(client: Client, minutes: int) -> None:
    """The session as it would be so long after it was last written."""
    session = Session.objects.get(pk=client.session.session_key)
    store = SessionStore(session.session_key)
    store[presence.SEEN] = int(time.time()) - minutes * 60
    store.save()
    Session.objects.filter(pk=session.pk).update(expire_date=session.expire_date - timedelta(minutes=minutes))


def test_a_session_goes_on_with_its_person_and_is_over_without(alice, settings):
    settings.SESSION_COOKIE_AGE = 3600
    client = signed_in(alice)
    age_session(client, 50)
    assert is_signed_in(client)  # a page was opened
    age_session(client, 50)
    assert is_signed_in(client)
    age_session(client, 50)
    client.get(reverse("inbox:overview"), headers={"HX-Request": "true"})  # the page asked by itself
    age_session(client, 11)
    assert not is_signed_in(client)


def test_a_changed_password_ends_every_other_session_also_for_open_pages(alice):
    here, there = signed_in(alice), signed_in(alice)
    before = {here.session.session_key, there.session.session_key}
    assert live.in_force(before) == before
    form = {"oldpassword": PASSWORD, "password1": "another horse staple", "password2": "another horse staple"}
    here.post(reverse("account_change_password"), form)

    # Asked before the other one is used: Django ends it then by itself.
    assert live.in_force({here.session.session_key, *before}) == {here.session.session_key}
    assert is_signed_in(here)
    assert not is_signed_in(there)


def test_no_session_of_whoever_was_deactivated_is_in_force(alice):
    key = signed_in(alice).session.session_key
    assert live.in_force({key}) == {key}
    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert not live.in_force({key})


# --- Personal tokens


def make(client: Client, days: int = 30):
    return client.post(reverse("profile:issue_token"), {"name": "my script", "days": days})


def test_a_token_is_made_by_whoever_has_just_shown_who_they_are(alice, as_):
    response = make(as_(alice))
    assert response["Location"].startswith(reverse("account_reauthenticate"))
    assert not ApiKey.objects.exists()

    client = signed_in(alice)
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    response = make(client)
    assert response.status_code == 200, response.headers
    page = response.content.decode()
    key = ApiKey.objects.get(user=alice)
    assert key.prefix in page
    assert timedelta(days=29) < key.expires_at - times.now() <= timedelta(days=30)
    assert AccountEvent.objects.filter(user=alice, kind="key_issued").exists()


def test_a_token_is_shown_once_listed_and_revoked(alice, bob):
    client = signed_in(alice)
    key, secret = keys.issue(user=alice, name="my script")
    page = client.get(reverse("profile:security")).content.decode()
    assert key.prefix in page
    assert secret not in page

    assert signed_in(bob).post(reverse("profile:revoke_token", args=[key.pk])).status_code == 404
    assert keys.who(secret)
    client.post(reverse("profile:revoke_token", args=[key.pk]))
    keys.forget()
    assert keys.who(secret) is None


@pytest.mark.parametrize("requested_lifetime", [None, timedelta(days=4000)])
def test_every_token_expires(requested_lifetime, alice):
    key, _secret = keys.issue(user=alice, expires_at=times.now() + requested_lifetime if requested_lifetime else None)

    assert key.expires_at <= times.now() + keys.LONGEST


def test_a_token_ends_with_the_password(alice):
    _key, secret = keys.issue(user=alice)
    assert keys.who(secret)
    alice.set_password("another horse staple")
    alice.save()
    keys.forget()

    assert keys.who(secret) is None


def test_a_stronger_hash_of_the_same_password_ends_no_token(alice):
    _old, earlier = keys.issue(user=alice)
    weak = PBKDF2PasswordHasher()
    User.objects.filter(pk=alice.pk).update(password=weak.encode(PASSWORD, "salt", iterations=1000))
    _key, secret = keys.issue(user=User.objects.get(pk=alice.pk))

    signed_in(alice)  # where Django stores it anew
    keys.forget()

    assert User.objects.get(pk=alice.pk).password.split("$")[1] != "1000"
    assert keys.who(secret)
    assert keys.who(earlier) is None  # of a password before: it stays over


def test_a_new_password_that_is_stored_alone_ends_it_all_the_same(alice):
    _key, secret = keys.issue(user=alice)
    alice.set_password("another horse staple")
    alice.save(update_fields=["password"])
    keys.forget()

    assert keys.who(secret) is None
