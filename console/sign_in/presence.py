"""A session is over after some time without its person (SESSION_COOKIE_AGE).

An open page that asks by itself is nobody who is there: only a page that is opened and a form that is sent count.
"""

import time

from django.http import HttpRequest

SEEN = "seen_at"
STEP = 60  # seconds between two notes of the person's presence


def touch(request: HttpRequest) -> None:
    """The person is there: the session goes on for its whole idle time. Called with the session in memory."""
    asks_by_itself = "X-Requested-With" in request.headers or request.headers.get("HX-Request") == "true"
    if asks_by_itself and request.method in {"GET", "HEAD"}:
        return
    now = int(time.time())
    if now - request.session.get(SEEN, 0) >= STEP:
        request.session[SEEN] = now
