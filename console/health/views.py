"""Two questions of a load balancer: does the process answer, and can it do its work?

No access check: they tell strangers ok or failed, and nothing else.
"""

import time

from django.core.cache import caches
from django.db import Error, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.connection import ConnectionProxy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

cache = ConnectionProxy(caches, "strict")
BEAT = "clock:beat"  # the cache key in which the clock leaves the time of its last round
STALE = 15.0  # seconds; deadlines fire at most 10 s late when all is well


@require_safe
@never_cache
def live(request: HttpRequest) -> HttpResponse:
    """200 while the process answers at all; asks nothing else, so that a dead database does not restart it."""
    return HttpResponse("ok", content_type="text/plain")


@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """Database, Redis and the clock, each ok or failed; 503 when one failed."""
    redis, clock = _redis_and_clock()
    checks = {"database": _database(), "redis": redis, "clock": clock}
    fine = all(checks.values())
    statuses = {name: "ok" if good else "failed" for name, good in {"status": fine, **checks}.items()}
    return JsonResponse(statuses, status=200 if fine else 503)


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return bool(cursor.fetchone() == (1,))
    except Error:
        return False


def _redis_and_clock() -> tuple[bool, bool]:
    try:
        beat = cache.get(BEAT)
    except (RedisError, OSError):
        return False, False
    return True, isinstance(beat, float | int) and time.time() - beat < STALE
