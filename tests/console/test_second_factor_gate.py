"""A manual gate takes a passkey in place of the password: for one version of one approval, once, and not for long."""

import json
import os

import pytest
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from django.core.cache import cache
from django.http import HttpRequest
from django.test import Client
from django.urls import reverse
from fido2.cose import ES256
from fido2.utils import sha256, websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData, CollectedClientData

from approvals.decisions.card_version import load
from approvals.models import AccountEvent, Approval, User
from console.card import step_up
from console.sign_in.session import SessionMiddleware
from tests.conftest import PASSWORD

ORIGIN = "https://testserver"
SEEN, VERIFIED, HOLDS_KEY = 0x01, 0x04, 0x40


class Passkey:
    """What a browser and a security key make together, for one person."""

    def __init__(self, user: User) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = os.urandom(16)
        public = ES256.from_cryptography_key(self.key.public_key())
        held = AttestedCredentialData.create(b"\0" * 16, self.id, public)
        flags = SEEN | VERIFIED | HOLDS_KEY
        made = AttestationObject.create("none", AuthenticatorData.create(sha256(b"testserver"), flags, 0, held), {})
        client_data = CollectedClientData.create("webauthn.create", b"any", ORIGIN)
        response = {"clientDataJSON": websafe_encode(client_data), "attestationObject": websafe_encode(made)}
        Authenticator.objects.create(
            user=user, type="webauthn", data={"name": "Key", "credential": self._credential(response)}
        )

    def _credential(self, response: dict[str, str]) -> dict[str, object]:
        name = websafe_encode(self.id)
        return {"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}}

    def answer(self, options: dict[str, dict[str, str]], *, flags: int = SEEN | VERIFIED, origin: str = ORIGIN) -> str:
        """The browser's credential for these options, in JSON."""
        client_data = CollectedClientData.create("webauthn.get", options["publicKey"]["challenge"], origin)
        data = AuthenticatorData.create(sha256(b"testserver"), flags, 1)
        signature = self.key.sign(data + client_data.hash, ec.ECDSA(SHA256()))
        parts = {"clientDataJSON": client_data, "authenticatorData": data, "signature": signature}
        return json.dumps(self._credential({name: websafe_encode(part) for name, part in parts.items()}))


@pytest.fixture(autouse=True)
def counted_anew():
    cache.clear()


@pytest.fixture
def manual(action_type, propose) -> Approval:
    action_type("wire", gate="manual")
    return propose(action="wire")


@pytest.fixture
def passkey(alice) -> Passkey:
    return Passkey(alice)


@pytest.fixture
def browser(alice, as_) -> Client:
    return as_(alice)


def ask(client: Client, approval: Approval):
    return client.post(reverse("card:passkey", args=[approval.pk]), {"version": approval.version})


def approve(client: Client, approval: Approval, credential: str = "", *, typed: str = "420", password: str = ""):
    form = {"version": approval.version, "verdict": "approve", "typed": typed, "passkey": credential}
    return client.post(reverse("card:decide", args=[approval.pk]), {**form, "password": password})


def recorded(user: User) -> list[tuple[str, object]]:
    events = AccountEvent.objects.filter(user=user).order_by("pk")
    return [(event.kind, event.facts.get("factor")) for event in events]


def test_a_passkey_opens_the_gate_without_a_password_and_is_recorded(manual, browser, passkey, alice):
    approve(browser, manual, passkey.answer(ask(browser, manual).json()))

    assert load(manual.pk).status == "released"
    assert recorded(alice) == [("confirmed", "webauthn")]


def test_a_passkey_given_for_one_approval_opens_no_other(manual, propose, browser, passkey, alice):
    other = propose(action="wire", order="another")
    response = approve(browser, other, passkey.answer(ask(browser, manual).json()))

    assert "Use it again" in response.content.decode()
    assert load(other.pk).status == "pending"
    assert recorded(alice) == [("confirm_failed", "webauthn")]


def test_a_passkey_is_taken_once(manual, browser, passkey):
    given = passkey.answer(ask(browser, manual).json())
    approve(browser, manual, given, typed="421")
    approve(browser, manual, given)
    assert load(manual.pk).status == "pending"

    approve(browser, manual, passkey.answer(ask(browser, manual).json()))
    assert load(manual.pk).status == "released"


def test_another_copy_of_the_session_brings_no_passkey_back(manual, browser, passkey, monkeypatch):
    given = passkey.answer(ask(browser, manual).json())
    # Two requests that began together: the second has read its session before the first took the passkey out.
    kept = browser.session[step_up.PASSKEY]
    approve(browser, manual, given, typed="421")
    process = SessionMiddleware.process_request

    def begun_before(middleware: SessionMiddleware, request: HttpRequest) -> None:
        process(middleware, request)
        request.session._session[step_up.PASSKEY] = kept

    monkeypatch.setattr(SessionMiddleware, "process_request", begun_before)
    approve(browser, manual, given)

    assert load(manual.pk).status == "pending"


def test_a_passkey_does_not_last(manual, browser, passkey, monkeypatch):
    given = passkey.answer(ask(browser, manual).json())
    monkeypatch.setattr(step_up, "LIVES", -1)
    approve(browser, manual, given)

    assert load(manual.pk).status == "pending"


@pytest.mark.parametrize(
    "how",
    [{"flags": SEEN}, {"origin": "https://elsewhere.example"}],
    ids=["that asked for no finger, face or PIN", "given on another site"],
)
def test_a_passkey_is_refused(how, manual, browser, passkey):
    response = approve(browser, manual, passkey.answer(ask(browser, manual).json(), **how))

    assert "did not fit" in response.content.decode()
    assert load(manual.pk).status == "pending"


def test_another_persons_passkey_is_refused(manual, browser, passkey, bob):
    approve(browser, manual, Passkey(bob).answer(ask(browser, manual).json()))

    assert load(manual.pk).status == "pending"


@pytest.mark.parametrize("rubbish", ["x", "[]", "{}", "null", '"a"', '{"id": 1}', '{"rawId": "%", "response": []}'])
def test_what_no_browser_made_is_a_wrong_passkey(rubbish, manual, browser, passkey, alice):
    ask(browser, manual)
    assert approve(browser, manual, rubbish).status_code == 422

    assert load(manual.pk).status == "pending"
    assert recorded(alice) == [("confirm_failed", "webauthn")]


def test_wrong_passkeys_count_as_wrong_passwords_do(manual, browser, passkey, alice):
    for _ in range(step_up.MOST):
        ask(browser, manual)
        approve(browser, manual, "{}")

    assert "Too many wrong attempts" in approve(browser, manual, password=PASSWORD).content.decode()
    right = passkey.answer(ask(browser, manual).json())
    assert "Too many wrong attempts" in approve(browser, manual, right).content.decode()
    assert load(manual.pk).status == "pending"


def test_a_passkey_is_asked_for_only_where_it_is_of_use(manual, refund, browser, passkey, as_, bob, mallory):
    page = browser.get(reverse("card:approve", args=[manual.pk]), {"version": manual.version}).content.decode()
    assert "data-passkey-at=" in page
    bobs = as_(bob).get(reverse("card:approve", args=[manual.pk]), {"version": manual.version}).content.decode()
    assert "data-passkey-at=" not in bobs

    assert ask(browser, refund).status_code == 404  # no manual gate
    assert ask(as_(bob), manual).status_code == 404  # has none
    assert ask(as_(mallory), manual).status_code == 404
    assert ask(Client(), manual)["Location"].startswith(reverse("account_login"))
