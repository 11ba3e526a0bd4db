"""A cache that forgets instead of failing: with Redis away, or hanging, people still sign in and decide."""

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

REST = 5.0  # seconds in which a Redis that failed is not asked again: a page asks a dozen times, and each would wait

log = logging.getLogger(__name__)


class _RedisOutage:
    """Until when this process does not ask Redis; all its threads share it."""

    rests_until = 0.0


# Annotated as the stubs of the base class are: keys and values of a cache are whatever its callers keep there.


class ForgivingRedisCache(RedisCache):
    """Redis, except that an unreachable one is an empty one. Nothing that must hold may be kept in it."""

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return _or_default(lambda: super(ForgivingRedisCache, self).get(key, default, version), default)

    def get_many(self, keys: Iterable[Any], version: int | None = None) -> dict[Any, Any]:
        values: dict[Any, Any] = _or_default(lambda: super(ForgivingRedisCache, self).get_many(keys, version), {})
        return values

    def set(self, key: Any, value: Any, timeout: Any = 300, version: int | None = None) -> None:
        _or_default(lambda: super(ForgivingRedisCache, self).set(key, value, timeout, version), None)

    def add(self, key: Any, value: Any, timeout: Any = 300, version: int | None = None) -> bool:
        return bool(_or_default(lambda: super(ForgivingRedisCache, self).add(key, value, timeout, version), True))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return bool(_or_default(lambda: super(ForgivingRedisCache, self).delete(key, version), False))


def _or_default(ask: Callable[[], Any], answer: Any) -> Any:
    """What the cache says; `answer` while it is away."""
    if time.monotonic() < _RedisOutage.rests_until:
        return answer
    try:
        return ask()
    except (RedisError, OSError) as error:
        _RedisOutage.rests_until = time.monotonic() + REST
        log.warning("cache away: %s", str(error)[:200])
        return answer
