"""A second factor: added by whoever has just shown who they are, recorded, told by letter, and asked for at sign-in."""

import re
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core import mail
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from approvals.models import AccountEvent, SystemAuditEvent, User
from tests.conftest import PASSWORD

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture(autouse=True)
def counted_anew():
    cache.clear()  # where allauth counts attempts, and keeps the codes that were used


def code(secret: str = SECRET) -> str:
    """What an authenticator app with this secret shows now, and for some seconds more."""
    while time.time() % 30 > 20:
        time.sleep(0.2)
    return format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))


@pytest.fixture
def with_app(alice) -> User:
    """Alice, who has an authenticator app."""
    TOTP.activate(alice, SECRET)
    return alice


def password_given(user: User) -> Client:
    client = Client()
    client.post(reverse("account_login"), {"login": user.username, "password": PASSWORD})
    return client


def is_signed_in(client: Client) -> bool:
    return client.get(reverse("profile:profile")).status_code == 200


def confirmed(client: Client) -> Client:
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    return client


def facts_of(user: User, kind: str) -> list[dict[str, object]]:
    return list(AccountEvent.objects.filter(user=user, kind=kind).order_by("pk").values_list("facts", flat=True))


# --- Adding and removing


@pytest.mark.parametrize("name", ["mfa_activate_totp", "mfa_add_webauthn"])
def test_a_session_alone_adds_no_factor(alice, as_, name):
    response = as_(alice).post(reverse(name), {"code": code()})

    assert response["Location"].startswith(reverse("account_reauthenticate"))
    assert not Authenticator.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_app_is_added_with_its_first_code_recorded_and_told(alice, as_):
    client = confirmed(as_(alice))
    page = client.get(reverse("mfa_activate_totp"))
    assert 'src="data:image/svg+xml;base64,' in page.content.decode()
    assert "data:" in page.headers["Content-Security-Policy"].split("img-src")[1].split(";")[0]
    secret = re.search(r"data-secret>(\w+)<", page.content.decode())[1]
    client.post(reverse("mfa_activate_totp"), {"code": "000000"})
    assert not Authenticator.objects.exists()

    added = client.post(reverse("mfa_activate_totp"), {"code": code(secret)})
    codes = re.findall(r"data-code>(\d+)<", client.get(added["Location"]).content.decode())
    assert len(codes) == 10
    assert facts_of(alice, "factor_added") == [{"factor": "totp", "name": "TOTP Authenticator"}]
    assert facts_of(alice, "recovery_codes_made") == [{}]
    assert SystemAuditEvent.objects.filter(kind="factor_added", subject="user:alice").exists()
    assert [letter.subject for letter in mail.outbox] == ["[Assent] Authenticator app added"]
    assert "Authenticator app" in client.get(reverse("profile:security")).content.decode()
    # Neither the secret nor the codes can be read out of the database.
    kept = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in kept
    assert not [one for one in codes if one in kept]


def test_an_app_is_removed_by_whoever_has_just_shown_who_they_are(with_app, as_):
    client = as_(with_app)
    client.post(reverse("mfa_deactivate_totp"))
    assert Authenticator.objects.exists()

    confirmed(client).post(reverse("mfa_deactivate_totp"))
    assert not Authenticator.objects.exists()
    assert facts_of(with_app, "factor_removed")[0]["factor"] == "totp"
    assert [letter.subject for letter in mail.outbox] == ["[Assent] Authenticator app removed"]


def test_an_address_changes_with_a_second_factor_as_without(with_app, as_):
    client = confirmed(as_(with_app))
    client.post(reverse("account_email"), {"action_add": "", "email": "alice@elsewhere.example"})

    assert [letter.to for letter in mail.outbox] == [["alice@elsewhere.example"]]


def test_nobody_removes_another_persons_passkey(alice, bob, as_):
    theirs = Authenticator.objects.create(user=bob, type="webauthn", data={"name": "Key", "credential": {}})
    response = confirmed(as_(alice)).post(reverse("mfa_remove_webauthn", args=[theirs.pk]))

    assert response.status_code == 404
    assert Authenticator.objects.filter(pk=theirs.pk).exists()


# --- Signing in


def test_a_password_alone_no_longer_signs_in(with_app):
    client = password_given(with_app)
    assert not is_signed_in(client)
    assert not AccountEvent.objects.filter(kind="signed_in").exists()

    client.post(reverse("mfa_authenticate"), {"code": code()})
    assert is_signed_in(client)
    assert AccountEvent.objects.filter(user=with_app, kind="signed_in").exists()


def test_a_code_signs_in_once(with_app):
    shown = code()
    assert [password_given(with_app).post(reverse("mfa_authenticate"), {"code": shown}).status_code for _ in "ab"] == [
        302,
        200,
    ]


def test_wrong_codes_are_recorded_and_limited(with_app):
    client = password_given(with_app)
    for _ in range(6):
        client.post(reverse("mfa_authenticate"), {"code": "000000"})
    assert facts_of(with_app, "sign_in_failed") == [{"factor": "code"}] * 5
    assert facts_of(with_app, "sign_in_refused") == [{"factor": "code"}]

    client.post(reverse("mfa_authenticate"), {"code": code()})
    assert not is_signed_in(client)


def test_a_recovery_code_signs_in_once_and_is_recorded(with_app):
    first = RecoveryCodes.activate(with_app).get_unused_codes()[0]
    clients = [password_given(with_app) for _ in range(2)]
    for client in clients:
        client.post(reverse("mfa_authenticate"), {"code": first})

    assert [is_signed_in(client) for client in clients] == [True, False]
    assert facts_of(with_app, "recovery_code_used") == [{"left": 9}]


def test_a_script_is_told_what_is_wrong_with_the_code(with_app):
    client, script = password_given(with_app), {"X-Requested-With": "fetch"}
    assert client.get(reverse("mfa_authenticate"), headers=script).json() == {"passkey": None}
    refused = client.post(reverse("mfa_authenticate"), {"code": "000000"}, headers=script)
    assert (refused.status_code, refused.json()) == (400, {"errors": ["Incorrect code."]})

    assert client.post(reverse("mfa_authenticate"), {"code": code()}, headers=script).json() == {"errors": []}
    assert is_signed_in(client)


def test_the_admin_has_no_other_door(with_app):
    User.objects.filter(pk=with_app.pk).update(is_staff=True, is_superuser=True)
    client = Client()
    client.post("/admin/login/", {"username": "alice", "password": PASSWORD})

    assert client.get("/admin/").status_code == 302
    assert client.get("/admin/mfa/authenticator/").status_code in (302, 404)


def test_whoever_has_a_factor_may_confirm_with_a_code(with_app, as_):
    client = as_(with_app)
    client.post(reverse("mfa_reauthenticate"), {"code": "000000"})
    assert facts_of(with_app, "confirm_failed") == [{"factor": "code"}]
    client.post(reverse("mfa_reauthenticate"), {"code": code()})
    assert facts_of(with_app, "confirmed") == [{"factor": "totp"}]

    client.post(reverse("mfa_deactivate_totp"))
    assert not Authenticator.objects.exists()


def test_whoever_has_lost_everything_is_let_in_again_from_the_command_line(with_app, bob, capsys):
    RecoveryCodes.activate(with_app)
    TOTP.activate(bob, SECRET)
    call_command("forget_factors", "alice")

    assert is_signed_in(password_given(with_app))
    assert Authenticator.objects.get().user == bob
    assert [facts["factor"] for facts in facts_of(with_app, "factor_removed")] == ["totp", "recovery_codes"]
    assert SystemAuditEvent.objects.filter(kind="factor_removed", actor="command", subject="user:alice").count() == 2
    assert [letter.to for letter in mail.outbox] == [["alice@example.com"]]
    with pytest.raises(CommandError, match="nobody called zoe"):
        call_command("forget_factors", "zoe")
