"""What every page of the console needs: appearance, the person's keys, the waiting count."""

from typing import cast

from django.conf import settings
from django.http import HttpRequest
from django.urls import resolve
from django.utils.functional import SimpleLazyObject

from approvals.db import times
from approvals.execution import kill_switch
from approvals.models import User
from approvals.people import access
from approvals.people.authorities import NOBODY, Authority, authority_of
from console.inbox.filters import count_of
from console.overload.overload_banner import Banner, banner_of
from console.post_review.page import due_for
from console.runs.summaries import needing_people

THEMES = {"light", "dark"}


def page(request: HttpRequest) -> dict[str, object]:
    """Lazy where it costs a query; the admin has its own pages and reads none of this."""
    user = request.user if hasattr(request, "user") and isinstance(request.user, User) else None
    authority = cast(Authority, SimpleLazyObject(lambda: authority_of(user) if user else NOBODY))
    page_name = request.resolver_match.view_name if request.resolver_match else _page_name(request.path_info)
    theme = user.theme if user else request.COOKIES.get("theme", "")
    return {
        "theme": theme if theme in THEMES else "",
        "single_keys": user is None or user.shortcuts,
        "demo": settings.ASSENT_DEMO,
        "authority": authority,
        "waiting": SimpleLazyObject(lambda: count_of(access.waiting_of(user, authority)) if user else 0),
        "unconfirmed": SimpleLazyObject(lambda: count_of(access.unconfirmed_of(user, authority)) if user else 0),
        "stop": SimpleLazyObject(lambda: kill_switch.standing() if user else None),
        "may_stop": SimpleLazyObject(lambda: user is not None and access.may_stop(user, authority)),
        "overload": SimpleLazyObject(lambda: banner_of(user, authority) if user else Banner()),
        "to_look_at": SimpleLazyObject(lambda: count_of(due_for(user, authority)) if user else 0),
        "to_undo": SimpleLazyObject(lambda: count_of(needing_people(user, authority)) if user else 0),
        "server_now": SimpleLazyObject(times.now),
        "page_name": page_name,
        "page_area": page_name.partition(":")[0],
    }


def _page_name(path: str) -> str:
    try:
        return resolve(path).view_name or ""
    except Exception:
        return ""  # an error page of an unknown address
