"""URLs of agents' runs, and of permits that were used and never confirmed."""

from django.urls import path

from console.runs import unconfirmed, views

app_name = "runs"
urlpatterns = [
    path("approvals/<uuid:pk>/confirm/", unconfirmed.confirm, name="confirm"),
    path("unconfirmed/", unconfirmed.unconfirmed, name="unconfirmed"),
    path("runs/", views.runs, name="runs"),
    path("runs/<uuid:pk>/", views.run, name="run"),
    path("runs/<uuid:pk>/guidance/", views.guide, name="guide"),
    path("runs/<uuid:pk>/steps/<int:step>/close/", views.close, name="close"),
]
