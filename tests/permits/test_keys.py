"""The keys that sign: published, rotated with overlap, never shown."""

from datetime import timedelta

import jwt
from django.core.management import call_command
from django.test import Client

from approvals.db import times
from approvals.execution import permits
from approvals.models import SigningKey


def published() -> dict:
    return Client().get("/.well-known/jwks.json").json()


def test_anyone_may_read_the_public_keys_and_they_verify_a_permit(executor):
    [key] = published()["keys"]
    assert set(key) == {"kty", "crv", "use", "alg", "kid", "x"}  # `d` would be the private half
    public_key = jwt.PyJWK.from_dict(key)

    assert jwt.get_unverified_header(executor.permit) == {"alg": "EdDSA", "kid": key["kid"], "typ": permits.PERMIT}
    claims = jwt.decode(executor.permit, public_key.key, algorithms=["EdDSA"], audience="robot")
    assert claims["jti"] == executor.jti


def test_the_key_set_may_be_cached_and_is_asked_for_cheaply(executor):
    first = Client().get("/.well-known/jwks.json")
    assert first["Content-Type"] == "application/jwk-set+json"
    assert first["Cache-Control"] == "public, max-age=300"
    again = Client().get("/.well-known/jwks.json", headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 304 and not again.content
    permits.rotate(by=None)
    assert Client().get("/.well-known/jwks.json", headers={"If-None-Match": first["ETag"]}).status_code == 200
    assert Client().post("/.well-known/jwks.json").status_code == 405


def test_permits_of_the_old_key_still_verify_after_a_rotation(approved_executor):
    before = approved_executor(amount=1)
    call_command("rotate_keys")
    after = approved_executor(amount=2, order="9")

    old, new = (jwt.get_unverified_header(one.permit)["kid"] for one in (before, after))
    assert old != new
    assert {key["kid"] for key in published()["keys"]} == {old, new}
    assert before.consume().status_code == 200
    assert after.consume().status_code == 200


def test_a_key_is_published_until_its_overlap_is_over(approved_executor, refused):
    before = approved_executor(amount=1)
    permits.rotate(by=None, overlap=timedelta(hours=1))
    with times.at(times.now() + timedelta(hours=2)):
        assert len(published()["keys"]) == 1
        refused(before.consume(), 403, "permit_tampered")


def test_another_process_notices_a_rotation_within_half_a_minute(approved_executor, monkeypatch):
    def signer_of(order: str) -> str:
        return jwt.get_unverified_header(approved_executor(order=order).permit)["kid"]

    first = signer_of("1")
    with times.at(times.now() + timedelta(minutes=2)):
        assert signer_of("2") == first
        kept = permits._signer
        permits.rotate(by=None)
        permits._signer = kept  # as in another process, whose memory is not told
        assert signer_of("3") == first  # and it is published still

        later = permits.time.monotonic() + 31
        monkeypatch.setattr(permits.time, "monotonic", lambda: later)
        assert signer_of("4") != first


def test_a_key_that_may_still_be_rolled_back_is_not_remembered(approved_executor):
    approved_executor()

    assert permits._signer is None


def test_one_key_signs_however_many_begin_at_once(executor):
    assert SigningKey.objects.filter(retired_at=None).count() == 1


def test_the_private_half_is_not_in_the_database_as_it_is(executor):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from approvals.db import secret_box

    key = SigningKey.objects.get()
    raw = secret_box.open_secret(key.private)
    public = Ed25519PrivateKey.from_private_bytes(raw).public_key().public_bytes_raw()
    assert permits._b64(public) == key.public
    assert permits._b64(raw) not in key.private and raw.hex() not in key.private
