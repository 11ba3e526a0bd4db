"""A webhook is believed when it is signed with the endpoint's secret, lately, byte for byte."""

import base64
import json
import time

import pytest

from assent.webhooks import BadWebhook, sign, verify

SECRET = "whsec_" + base64.b64encode(b"an endpoint's own secret").decode()
OTHER = "whsec_" + base64.b64encode(b"what came before or after").decode()
BODY = json.dumps(
    {
        "type": "request.decided",
        "timestamp": "2026-11-21T08:00:00+00:00",
        "data": {"request": "r-1", "status": "decided"},
    }
).encode()


def headers(body: bytes = BODY, *, secret: str = SECRET, at: int | None = None, **more: str) -> dict[str, str]:
    at = int(time.time()) if at is None else at
    signed = {"Webhook-Id": "msg_1", "Webhook-Timestamp": str(at), "Webhook-Signature": sign("msg_1", at, body, secret)}
    return {**signed, **more}


def test_a_signed_delivery_is_an_event():
    event = verify(BODY, headers(), SECRET)
    assert (event.id, event.type, event.request, event.is_known_type) == ("msg_1", "request.decided", "r-1", True)
    assert event.at.isoformat() == "2026-11-21T08:00:00+00:00"


def test_the_reference_library_signs_what_we_accept():
    reference = pytest.importorskip("standardwebhooks")
    from datetime import UTC, datetime

    now = datetime.now(UTC).replace(microsecond=0)
    signature = reference.Webhook(SECRET).sign("msg_1", now, BODY.decode())
    at = int(now.timestamp())
    assert verify(BODY, headers(at=at, **{"Webhook-Signature": signature}), SECRET).id == "msg_1"


def test_while_a_secret_is_rotated_both_sides_may_have_two():
    at = int(time.time())
    both = f"{sign('msg_1', at, BODY, OTHER)} v1a,xxxx {sign('msg_1', at, BODY, SECRET)}"
    assert verify(BODY, headers(at=at, **{"Webhook-Signature": both}), SECRET)
    assert verify(BODY, headers(secret=OTHER), [SECRET, OTHER])


@pytest.mark.parametrize(
    ("body", "given", "reason"),
    [
        (BODY, headers(secret=OTHER), "signature"),
        (BODY.replace(b"decided", b"expired"), headers(), "signature"),
        (json.dumps(json.loads(BODY), indent=1).encode(), headers(), "signature"),
        (BODY, {**headers(), "Webhook-Id": "msg_2"}, "signature"),
        (BODY, {**headers(), "Webhook-Signature": "v1,"}, "signature"),
        (BODY, {**headers(), "Webhook-Signature": "v2," + headers()["Webhook-Signature"][3:]}, "signature"),
        (BODY, {**headers(), "Webhook-Signature": "v1,\ud800é"}, "signature"),
        (BODY, {"Webhook-Id": "msg_1"}, "missing_header"),
        (BODY, {**headers(), "Webhook-Timestamp": "soon"}, "time"),
        (BODY, headers(at=int(time.time()) - 3600), "too_old"),
        (BODY, headers(at=int(time.time()) + 3600), "too_new"),
        (b"[1]", headers(b"[1]"), "content"),
        (b"{", headers(b"{"), "content"),
    ],
)
def test_anything_else_is_refused_with_its_reason(body, given, reason):
    with pytest.raises(BadWebhook) as refused:
        verify(body, given, SECRET)
    assert refused.value.reason == reason


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!", []])
def test_without_a_proper_secret_nothing_is_believed(secret):
    with pytest.raises(ValueError):
        verify(BODY, headers(), secret)
