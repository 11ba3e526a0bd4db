"""URLs of standing approvals."""

from django.urls import path

from console.grants import views

app_name = "grants"
urlpatterns = [
    path("approvals/<uuid:pk>/grant/", views.grant_from_card, name="like"),
    path("grants/", views.grant_list, name="grants"),
    path("grants/new/", views.grant_new, name="new"),
    path("grants/<uuid:pk>/revoke/", views.revoke, name="revoke"),
]
