"""Who may call, how often, and how soon a revocation holds."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents import keys, limits
from agents.models import ApiKey


def test_a_key_is_shown_once_and_stored_as_its_hash(robot):
    key, secret = keys.issue(agent=robot, name="worker")

    assert secret.startswith("asn_") and len(secret) >= 36
    assert key.prefix == secret[:12]
    assert secret not in str(ApiKey.objects.values())
    assert keys.who(secret).agent_name == "robot"


def test_a_token_is_a_persons(alice):
    _, secret = keys.issue(user=alice, name="script")
    assert secret.startswith("asp_")
    assert keys.who(secret).user_id == alice.pk


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Bearer asn_",
        "Bearer asn_" + "x" * 43,
        "Bearer asn_a asn_b",
        "Basic cm9ib3Q6eA==",
        "asn_x",
        "Bearer asn_\u00ff",
        "Bearer " + "x" * 5000,
    ],
)
def test_without_a_key_in_force_nothing_is_answered(header, anon, refused, db):
    headers = {} if header is None else {"Authorization": header}
    response = anon.client.get("/api/v1/requests", headers=headers)
    refused(response, 401, "unauthorized")
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_a_revoked_key_is_refused_at_once_here_and_within_two_seconds_elsewhere(api, robot, refused, monkeypatch):
    assert api.get("requests").status_code == 200
    ApiKey.objects.update(revoked_at=timezone.now())  # in another process: this one remembers the key
    assert api.get("requests").status_code == 200

    later = keys.time.monotonic() + 2.1
    monkeypatch.setattr(keys.time, "monotonic", lambda: later)
    refused(api.get("requests"), 401, "unauthorized")

    key, secret = keys.issue(agent=robot)
    keys.who(secret)
    keys.revoke(key)
    assert keys.who(secret) is None
    assert key.revoked_at


def test_a_second_revocation_keeps_the_time_of_the_first(robot):
    key, _ = keys.issue(agent=robot)
    keys.revoke(key)
    first = key.revoked_at
    keys.revoke(key)
    assert key.revoked_at == first


def test_an_expired_key_is_refused(robot, refused, api):
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    refused(api.get("requests"), 401, "unauthorized")


def test_the_token_of_a_deactivated_person_is_refused(oscar, token, refused):
    refused(token(oscar).get("inbox"), 401, "unauthorized")


def test_a_person_does_not_ask_and_an_agent_does_not_decide(alice, token, api, refused, request_body, refunds):
    refused(token(alice).post("requests", request_body()), 403, "agents_only")
    refused(token(alice).get("requests"), 403, "agents_only")
    refused(api.get("inbox"), 403, "people_only")


def test_the_last_use_is_noted_once_a_minute(api):
    api.get("requests")
    first = ApiKey.objects.get().last_used_at
    assert first is not None
    keys.forget()
    api.get("requests")
    assert ApiKey.objects.get().last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
    keys.forget()
    api.get("requests")
    assert ApiKey.objects.get().last_used_at > first


def test_above_its_limit_a_key_is_told_when_to_come_back(api, refused, settings):
    settings.ASSENT_KEY_RATE = 3
    answers = [api.get("requests") for _ in range(3)]
    assert [one.status_code for one in answers] == [200] * 3
    assert answers[2]["RateLimit"].startswith('"key";r=0;t=')
    assert answers[0]["RateLimit-Policy"] == '"key";q=3;w=60'

    over = api.get("requests")
    refused(over, 429, "too_many_requests")
    assert 1 <= int(over["Retry-After"]) <= 60
    assert over["RateLimit"].startswith('"key";r=0;t=')


def test_one_keys_limit_is_not_anothers(api, stranger, settings):
    settings.ASSENT_KEY_RATE = 1
    assert api.get("requests").status_code == 200
    assert api.get("requests").status_code == 429
    assert stranger.get("requests").status_code == 200


def test_without_redis_each_process_counts_for_itself(api, settings, monkeypatch):
    settings.ASSENT_KEY_RATE = 2
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "unix:///nowhere/valkey.sock"}}
    monkeypatch.setattr(limits, "_counter", limits.Counter())
    assert [api.get("requests").status_code for _ in range(3)] == [200, 200, 429]
