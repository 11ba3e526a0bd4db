"""The site as it is served, with the empty view under the same handler."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

from django.conf import settings

settings.ROOT_URLCONF = "console.bench.urls"

from console.asgi import application  # noqa: E402  # reads the setting above

__all__ = ["application"]
