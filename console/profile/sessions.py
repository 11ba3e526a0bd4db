"""Where a person is signed in: listed, and ended one by one or all at once."""

from collections.abc import Iterable
from datetime import UTC, datetime

from allauth.usersessions.adapter import DefaultUserSessionsAdapter
from allauth.usersessions.models import UserSession
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from approvals.models import User
from console.inbox import live
from console.sign_in import accounts
from console.sign_in.presence import SEEN

# What a browser says of itself, the more particular before what imitates it: Edge names Chrome, and Chrome Safari.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def device(user_agent: str) -> str:
    """Firefox on Windows; of what is no browser the beginning of what it says."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return Truncator(browser or user_agent or _("Unknown device")).chars(40)


def sessions_of(user: User) -> list[UserSession]:
    """The sessions of a person, last used first; each with `seen_at` and `device`."""
    sessions: list[UserSession] = UserSession.objects.purge_and_list(user)
    for session in sessions:
        seen = SessionStore(session.session_key).get(SEEN)
        session.seen_at = datetime.fromtimestamp(seen, UTC) if seen else session.created_at
        session.device = device(session.user_agent)
    return sorted(sessions, key=lambda session: session.seen_at, reverse=True)


class SessionsAdapter(DefaultUserSessionsAdapter):  # type: ignore[misc]  # allauth ships no types
    """What allauth ends is gone for open sockets at once."""

    def end_sessions(self, sessions: list[UserSession]) -> None:
        super().end_sessions(sessions)
        for pk in {session.user_id for session in sessions}:
            live.rights_changed(pk)


def end_sessions(request: HttpRequest, user: User, *, pks: Iterable[int] | None = None) -> int:
    """End some sessions of this person, or with None all but the one of the request. Says how many."""
    sessions = UserSession.objects.filter(user=user)
    if pks is not None:
        sessions = sessions.filter(pk__in=pks)
    else:
        sessions = sessions.exclude(session_key=request.session.session_key)
    ending = list(sessions)
    SessionsAdapter().end_sessions(ending)
    for session in ending:
        accounts.record(accounts.Kind.SESSION_ENDED, request, user, ended=str(session.ip))
    return len(ending)
