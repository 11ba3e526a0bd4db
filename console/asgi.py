"""The one door: pages, the API, waiting agents and sockets, each under the handler that suits it."""

import gc
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import LazySettings, UserSettingsHolder, settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIHandler
from django.urls import path

pages = get_asgi_application()

from agents import door  # noqa: E402  # models need the application registry above
from console.inbox.consumers import InboxConsumer  # noqa: E402

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]


def handler(middleware: list[str]) -> ASGIHandler:
    """A Django handler with a middleware list of its own; Django reads the list once, when the handler is made."""
    everyone = settings._wrapped
    held = UserSettingsHolder(everyone)
    held.MIDDLEWARE = middleware
    LazySettings.__setattr__(settings, "_wrapped", held)
    try:
        return ASGIHandler()
    finally:
        LazySettings.__setattr__(settings, "_wrapped", everyone)


api = handler(settings.API_MIDDLEWARE)
static = handler(settings.STATIC_MIDDLEWARE)


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    """Agents that submit or wait are answered beside Django: they take no thread and no transaction of their own."""
    request_path = scope["path"]
    if view := door.view_of(scope):
        await door.application(view, scope, receive, send)
    elif request_path.startswith(("/api/v1/", "/.well-known/")):
        await api(scope, receive, send)
    elif request_path.startswith(settings.STATIC_URL):
        await static(scope, receive, send)
    else:
        await pages(scope, receive, send)


application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(URLRouter([path("ws/inbox/", InboxConsumer.as_asgi())]))
        ),
    }
)

# What is loaded now stays. Left to the collector, it was walked again and again: a tenth of the time of a busy process.
gc.collect()
gc.freeze()
# A bulk call makes some 75,000 objects that stay until it is answered: counted in hundreds they were walked over and
# over, an eighth of its time.
gc.set_threshold(50_000, 20, 20)
