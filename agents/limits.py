"""How often a key may call: a fixed window of a minute, counted in Redis, in the process while Redis is away."""

import logging
import time
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import redis
from django.conf import settings

WINDOW = 60
_PATIENCE = 0.25  # seconds; a limit is not worth more of a request's time
_PAUSE = 5.0  # seconds without Redis after a failure, so that not every request pays the patience

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a key's window."""

    limit: int
    used: int
    seconds_left: int

    @property
    def exceeded(self) -> bool:
        return self.used > self.limit

    def headers(self) -> dict[str, str]:
        """The fields of the IETF draft *RateLimit header fields for HTTP*, and Retry-After when there is a reason."""
        left = max(0, self.limit - self.used)
        fields = {
            "RateLimit-Policy": f'"key";q={self.limit};w={WINDOW}',
            "RateLimit": f'"key";r={left};t={self.seconds_left}',
        }
        return {**fields, "Retry-After": str(self.seconds_left)} if self.exceeded else fields


class Counter:
    """Counts calls by key and minute. Never an error: without Redis each process counts for itself."""

    def __init__(self) -> None:
        self._redis: redis.Redis | None = None
        self._again_at = 0.0
        self._minute = 0
        self._own: dict[str, int] = {}

    def count(self, name: str, minute: int) -> int:
        if time.monotonic() >= self._again_at:
            try:
                return self._count_in_redis(f"assent:rate:{name}:{minute}")
            except redis.RedisError as error:
                self._again_at = time.monotonic() + _PAUSE
                logger.warning("Calls are counted per process until Redis is back: %r", error)
        if minute != self._minute:
            self._minute, self._own = minute, {}
        self._own[name] = self._own.get(name, 0) + 1
        return self._own[name]

    def _count_in_redis(self, key: str) -> int:
        if self._redis is None:
            self._redis = redis.Redis.from_url(
                str(settings.CACHES["default"]["LOCATION"]), socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE
            )
        used = cast(int, self._redis.incr(key))  # the stubs cannot tell the blocking client from the awaitable one
        if used == 1:
            self._redis.expire(key, 2 * WINDOW)
        return used


_counter = Counter()


def take(key_id: UUID) -> Allowance:
    """Count one call of a key and say what is left of its minute."""
    now = time.time()
    minute = int(now // WINDOW)
    used = _counter.count(key_id.hex, minute)
    return Allowance(settings.ASSENT_KEY_RATE, used, max(1, WINDOW - int(now % WINDOW)))
