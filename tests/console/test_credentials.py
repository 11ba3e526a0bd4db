"""A session alone is not the account: credentials change only for whoever has just shown who they are."""

import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from approvals.db import times
from approvals.decisions.card_version import load
from approvals.models import AccountEvent, Approval, SystemAuditEvent, User
from console.card import step_up
from tests.conftest import PASSWORD

NEW = "alice@elsewhere.example"
WRONG = "not the password"


@pytest.fixture(autouse=True)
def counted_anew():
    cache.clear()  # where allauth counts attempts


@pytest.fixture
def browser(alice, as_) -> Client:
    """A browser with a session of alice's, hours after she signed in."""
    return as_(alice)


def confirm(client: Client, password: str = PASSWORD, **headers: str):
    return client.post(reverse("account_reauthenticate"), {"password": password}, **headers)


def change_address(client: Client):
    return client.post(reverse("account_email"), {"action_add": "", "email": NEW})


def kinds(user: User | None = None) -> list[str]:
    events = AccountEvent.objects.filter(user=user) if user else AccountEvent.objects.all()
    return list(events.order_by("pk").values_list("kind", flat=True))


def test_a_session_alone_changes_no_address(browser, alice):
    response = change_address(browser)

    assert response["Location"].startswith(reverse("account_reauthenticate"))
    assert not EmailAddress.objects.filter(email=NEW).exists()
    assert not mail.outbox


def test_a_new_address_counts_once_it_is_confirmed_and_the_old_one_gets_a_letter(browser, alice):
    confirm(browser)
    change_address(browser)
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"
    [link] = mail.outbox
    assert link.to == [NEW]
    # What is not confirmed is made the first by no trick.
    browser.post(reverse("account_email"), {"action_primary": "", "email": NEW})
    alice.refresh_from_db()
    assert alice.email == "alice@example.com"

    browser.post(re.search(r"http://testserver(\S+)", link.body)[1])
    alice.refresh_from_db()
    assert alice.email == NEW
    assert mail.outbox[-1].to == ["alice@example.com"]
    assert "email_changed" in kinds(alice)


def test_a_mail_server_that_is_away_undoes_no_change(browser, alice, monkeypatch):
    def away(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr("allauth.account.adapter.DefaultAccountAdapter.send_mail", away)
    form = {"oldpassword": PASSWORD, "password1": "another horse staple", "password2": "another horse staple"}
    assert browser.post(reverse("account_change_password"), form).status_code == 302

    alice.refresh_from_db()
    assert alice.check_password("another horse staple")


def test_a_password_changes_with_the_old_one_alone_and_a_letter_says_so(browser, alice):
    form = {"oldpassword": WRONG, "password1": "another horse staple", "password2": "another horse staple"}
    browser.post(reverse("account_change_password"), form)
    alice.refresh_from_db()
    assert alice.check_password(PASSWORD)

    browser.post(reverse("account_change_password"), {**form, "oldpassword": PASSWORD})
    alice.refresh_from_db()
    assert alice.check_password("another horse staple")
    assert [letter.to for letter in mail.outbox] == [["alice@example.com"]]
    assert "password_changed" in kinds(alice)


def test_whoever_has_no_password_sets_none_by_a_session(browser, alice):
    User.objects.filter(pk=alice.pk).update(password="!none")
    client = Client()
    client.force_login(User.objects.get(pk=alice.pk), backend="django.contrib.auth.backends.ModelBackend")
    form = {"password1": "another horse staple", "password2": "another horse staple"}
    response = client.post(reverse("account_set_password"), form)

    assert response["Location"] == reverse("account_reset_password")
    assert not User.objects.get(pk=alice.pk).has_usable_password()


# --- Attempts


def sign_in(password: str = WRONG, *, login: str = "alice", address: str = "192.0.2.1") -> bool:
    response = Client(REMOTE_ADDR=address).post(reverse("account_login"), {"login": login, "password": password})
    return response.status_code == 302


def test_failed_sign_ins_are_in_the_log_and_in_history(alice, caplog):
    sign_in()
    sign_in(login="nobody")
    sign_in(PASSWORD)

    first, second, third = AccountEvent.objects.order_by("pk")
    assert (first.kind, first.user, first.login, first.address) == ("sign_in_failed", alice, "alice", "192.0.2.1")
    assert (second.kind, second.user, second.login) == ("sign_in_failed", None, "nobody")
    assert (third.kind, third.user) == ("signed_in", alice)
    lines = [record.getMessage() for record in caplog.records if record.name == "assent.accounts"]
    assert "sign_in_failed account='alice' address=192.0.2.1" in lines
    assert WRONG not in caplog.text
    chained = list(SystemAuditEvent.objects.order_by("seq").values_list("kind", "subject"))
    assert chained == [("sign_in_failed", "user:alice"), ("sign_in_failed", "user:nobody"), ("signed_in", "user:alice")]


def test_attempts_on_an_account_lock_out_the_address_they_come_from_and_nobody_else(alice):
    for _ in range(6):
        sign_in()

    assert not sign_in(PASSWORD)
    assert "sign_in_refused" in kinds(alice)
    assert sign_in(PASSWORD, address="198.51.100.7")


def test_attempts_are_limited_while_redis_is_away(alice):
    for _ in range(5):
        sign_in()
        cache.clear()

    assert not sign_in(PASSWORD)
    assert kinds(alice)[-1] == "sign_in_refused"
    assert sign_in(PASSWORD, address="198.51.100.7")
    with times.at(times.now() + timedelta(minutes=6)):
        cache.clear()
        assert sign_in(PASSWORD)


def test_one_address_is_limited_for_all_accounts_while_redis_is_away(alice, bob):
    for number in range(10):
        sign_in(login=f"nobody-{number}")
        cache.clear()

    assert not sign_in(PASSWORD, login="bob")


def test_an_address_that_is_made_up_is_not_believed_beyond_the_trusted_proxies(alice, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    form = {"login": "alice", "password": WRONG}
    for number in range(6):
        forged = f"203.0.113.{number}, 192.0.2.9"
        Client(headers={"X-Forwarded-For": forged}).post(reverse("account_login"), form)

    assert set(AccountEvent.objects.values_list("address", flat=True)) == {"192.0.2.9"}
    assert kinds(alice)[-1] == "sign_in_refused"


def test_confirming_who_one_is_is_limited_and_recorded(browser, alice):
    for _ in range(6):
        confirm(browser, WRONG)
    confirm(browser)
    response = change_address(browser)

    assert response["Location"].startswith(reverse("account_reauthenticate"))
    assert "confirm_failed" in kinds(alice)
    assert "confirm_refused" in kinds(alice)


# --- The manual gate


@pytest.fixture
def manual(action_type, propose) -> Approval:
    action_type("wire", gate="manual")
    return propose(action="wire")


def approve(client: Client, approval: Approval, password: str):
    form = {"version": approval.version, "verdict": "approve", "typed": "420", "password": password}
    return client.post(reverse("card:decide", args=[approval.pk]), form)


def test_the_manual_gate_takes_five_wrong_passwords_of_a_session_and_says_so(manual, browser, alice):
    for _ in range(step_up.MOST):
        assert "Wrong password. Try again." in approve(browser, manual, WRONG).content.decode()

    assert "Too many wrong attempts" in approve(browser, manual, PASSWORD).content.decode()
    assert load(manual.pk).status == "pending"
    assert kinds(alice) == [*["confirm_failed"] * step_up.MOST, "confirm_refused"]


def test_the_manual_gate_of_another_session_is_not_locked_with_it(manual, browser, alice, as_):
    for _ in range(step_up.MOST):
        approve(browser, manual, WRONG)
    approve(as_(alice), manual, PASSWORD)

    assert load(manual.pk).status == "released"
    assert kinds(alice)[-1] == "confirmed"


# --- What a browser keeps


@pytest.mark.parametrize(
    "name", ["inbox:inbox", "history:history", "profile:profile", "account_email", "account_change_password"]
)
def test_private_pages_are_kept_by_no_cache(name, browser):
    assert "no-store" in browser.get(reverse(name))["Cache-Control"]
