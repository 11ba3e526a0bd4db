"""What `manage.py check --deploy` says of an installation that would run, and not as it should."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Tags, Warning, register


@register(Tags.security, deploy=True)
def production(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Settings that are each valid and together wrong for production."""
    messages: list[CheckMessage] = []
    if settings.EMBEDDED:
        messages.append(
            Warning(
                "The embedded servers and their secret are in use.",
                hint="Set SECRET_KEY, DATABASE_URL, REDIS_URL and ALLOWED_HOSTS.",
                id="console.W001",
            )
        )
    if not settings.ASSENT_BASE_URL.startswith("https://"):
        messages.append(
            Warning(
                "Links in mails and notifications would lead to an address without TLS.",
                hint="Set ASSENT_BASE_URL to the https:// address that people use.",
                id="console.W002",
            )
        )
    if settings.ASSENT_DEMO:
        messages.append(
            Warning(
                "The demo's accounts, with known passwords, are switched on.",
                hint="Unset ASSENT_DEMO.",
                id="console.W003",
            )
        )
    if not settings.DEBUG and not (settings.STATIC_ROOT / "staticfiles.json").exists():
        messages.append(
            Warning(
                "No static files were collected: pages would answer with an error.",
                hint="Run manage.py collectstatic.",
                id="console.W004",
            )
        )
    if "*" in settings.ALLOWED_HOSTS:
        messages.append(
            Warning(
                "Every host name is allowed, so a forged Host header ends up in links.",
                hint="List the names in ALLOWED_HOSTS.",
                id="console.W005",
            )
        )
    return messages
