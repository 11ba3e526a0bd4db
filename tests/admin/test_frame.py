"""What surrounds the admin: its content policy, its door, its menu, and the person's language and zone."""

import time

import pytest
from django.core.cache import cache
from django.db.utils import OperationalError
from django.http import HttpResponse
from django.test import AsyncClient
from django.urls import reverse
from django.utils import timezone
from redis.exceptions import ConnectionError

from console import checks, middleware
from console.health import views as health

POLICY = "Content-Security-Policy"


@pytest.fixture(autouse=True)
def no_beat():
    cache.delete(health.BEAT)
    yield
    cache.delete(health.BEAT)


def test_only_the_admin_may_compile_expressions(as_, root, client):
    inside = as_(root).get("/admin/").headers[POLICY]
    outside = client.get("/health/live").headers[POLICY]
    door = client.get(reverse("account_login")).headers[POLICY]

    assert "'unsafe-eval'" in inside and "default-src 'none'" in inside
    for strict in (outside, door):
        assert "unsafe" not in strict and "default-src 'none'" in strict


def test_what_the_admin_did_not_answer_keeps_the_strict_policy(as_, root):
    answer = as_(root).get("/admin", follow=False)

    assert "unsafe-eval" not in answer.headers.get(POLICY, "")


def test_there_is_one_door(client):
    answer = client.get("/admin/approvals/tier/")
    answer = client.get(answer.headers["Location"]) if "/admin/login" in answer.headers["Location"] else answer

    assert answer.headers["Location"].startswith(reverse("account_login"))


def test_the_menu_shows_what_one_may_open(as_, admin, root):
    def groups(user) -> dict[str, list[str]]:
        menu = as_(user).get("/admin/").context["sidebar_navigation"]
        return {str(group["title"]): [item["link"] for item in group["items"]] for group in menu}

    assert list(groups(admin)) == ["Policy", "People", "Agents", "Help"]
    assert list(groups(root)) == ["Policy", "People", "Agents", "Records", "Help"]
    for user in (admin, root):
        browser = as_(user)
        for link in [link for links in groups(user).values() for link in links]:
            assert browser.get(link).status_code == 200, link


def test_times_are_shown_in_the_persons_zone(as_, root, monkeypatch):
    root.time_zone = "Asia/Kolkata"
    root.save()
    monkeypatch.setattr("console.admin_menu.theme", lambda request: seen.append(timezone.get_current_timezone_name()))
    seen: list[str] = []

    as_(root).get("/admin/")

    assert seen == ["Asia/Kolkata"]
    assert timezone.get_current_timezone_name() == "UTC"


def test_an_unknown_zone_locks_nobody_out(as_, root):
    root.time_zone = "Mars/Olympus"
    root.save()

    assert as_(root).get("/admin/").status_code == 200


async def test_the_middleware_awaits_an_asynchronous_view(rf):
    async def view(request):
        return HttpResponse(timezone.get_current_timezone_name())

    request = rf.get("/")
    request.resolver_match = None

    answer = await middleware.PersonMiddleware(view)(request)

    assert answer.content == b"UTC"
    assert answer.headers["Content-Language"] == "en"


# --- Health


def test_a_living_process_says_so_without_asking_anybody(client, django_assert_num_queries, db):
    with django_assert_num_queries(0):
        answer = client.get("/health/live")

    assert (answer.status_code, answer.content) == (200, b"ok")
    assert client.post("/health/live").status_code == 405


def test_ready_means_database_redis_and_a_clock_that_beats(client, db):
    cache.set(health.BEAT, time.time())

    answer = client.get("/health/ready")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "database": "ok", "redis": "ok", "clock": "ok"}


@pytest.mark.parametrize("beat", [None, "yesterday", 0.0])
def test_a_clock_that_stopped_is_not_ready(client, db, beat):
    if beat is not None:
        cache.set(health.BEAT, beat)

    answer = client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json() == {"status": "failed", "database": "ok", "redis": "ok", "clock": "failed"}


def test_a_dead_database_or_redis_is_said_in_one_word(client, db, monkeypatch):
    class Dead:
        def cursor(self):
            raise OperationalError("password of host db.internal refused")

        def get(self, key):
            raise ConnectionError("redis.internal:6379")

    monkeypatch.setattr(health, "connection", Dead())
    monkeypatch.setattr(health, "cache", Dead())

    answer = client.get("/health/ready")

    assert answer.status_code == 503
    assert answer.json() == {"status": "failed", "database": "failed", "redis": "failed", "clock": "failed"}
    assert "internal" not in answer.content.decode()


async def test_health_answers_under_asgi(db):
    assert (await AsyncClient().get("/health/live")).status_code == 200


# --- Checks


def test_production_settings_are_clean(settings, tmp_path):
    (tmp_path / "staticfiles.json").write_text("{}")
    settings.EMBEDDED, settings.ASSENT_DEMO, settings.DEBUG = False, False, False
    settings.ASSENT_BASE_URL, settings.STATIC_ROOT = "https://assent.example.com", tmp_path
    settings.ALLOWED_HOSTS = ["assent.example.com"]

    assert checks.production(None) == []


def test_what_does_not_fit_production_is_named(settings, tmp_path):
    settings.EMBEDDED, settings.ASSENT_DEMO, settings.DEBUG = True, True, False
    settings.ASSENT_BASE_URL, settings.STATIC_ROOT = "http://127.0.0.1:8000", tmp_path
    settings.ALLOWED_HOSTS = ["*"]

    assert [warning.id for warning in checks.production(None)] == [f"console.W00{n}" for n in range(1, 6)]
