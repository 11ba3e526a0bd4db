"""How often a key may call: a fixed window of a minute, counted in Redis, in the process while Redis is away."""

import logging
import time
from collections.abc import Sequence
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

    def count(self, names: Sequence[str], minute: int) -> list[int]:
        """How often each name has called in this minute, this call included; a name may be there twice."""
        if time.monotonic() >= self._again_at:
            try:
                return self._count_in_redis([f"assent:rate:{name}:{minute}" for name in names])
            except redis.RedisError as error:
                self._again_at = time.monotonic() + _PAUSE
                logger.warning("Calls are counted per process until Redis is back: %r", error)
        if minute != self._minute:
            self._minute, self._own = minute, {}
        return [self._count_here(name) for name in names]

    def _count_here(self, name: str) -> int:
        self._own[name] = self._own.get(name, 0) + 1
        return self._own[name]

    def _count_in_redis(self, keys: Sequence[str]) -> list[int]:
        if self._redis is None:
            self._redis = redis.Redis.from_url(
                str(settings.CACHES["default"]["LOCATION"]), socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE
            )
        with self._redis.pipeline(transaction=False) as sent:
            for key in keys:
                sent.incr(key)
            used = cast(list[int], sent.execute())
            for key, count in zip(keys, used, strict=True):
                if count == 1:
                    sent.expire(key, 2 * WINDOW)
            sent.execute()
        return used


_counter = Counter()


def take(key_id: UUID) -> Allowance:
    """Count one call of a key and say what is left of its minute."""
    [allowance] = take_all([key_id])
    return allowance


def take_all(key_ids: Sequence[UUID]) -> list[Allowance]:
    """Count a call of each of these keys, in one message to Redis."""
    if not key_ids:
        return []
    now = time.time()
    minute, left = int(now // WINDOW), max(1, WINDOW - int(now % WINDOW))
    counted = _counter.count([key_id.hex for key_id in key_ids], minute)
    return [Allowance(settings.ASSENT_KEY_RATE, used, left) for used in counted]
