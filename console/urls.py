"""Every address of the console, by its areas; the agents' API adds its own."""

from django.contrib import admin
from django.urls import include, path

from agents.api import permits
from console.profile import views

handler500 = "console.failures.failed"

AREAS = (
    "inbox",
    "card",
    "plan",
    "batch",
    "grants",
    "runs",
    "agent",
    "post_review",
    "overload",
    "history",
    "oversight",
    "reports",
    "evidence",
    "profile",
    "sign_in",
    "kill_switch",
    "slack",
    "demo",
    "help",
    "health",
)

urlpatterns = [
    *(path("", include(f"console.{area}.urls")) for area in AREAS),
    # Before allauth's own of the same addresses.
    path("account/email/", views.email, name="account_email"),
    path("account/password/set/", views.no_password, name="account_set_password"),
    path("account/second-factor/", include("console.sign_in.factor_urls")),
    path("account/", include("allauth.account.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("agents.urls")),
    path(".well-known/jwks.json", permits.jwks, name="jwks"),
]
