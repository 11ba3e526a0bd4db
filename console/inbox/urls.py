"""URLs of the inbox."""

from django.urls import path

from console.inbox import views

app_name = "inbox"
urlpatterns = [
    path("", views.inbox, name="inbox"),
    path("overview/", views.pane, name="overview"),
    path("terms/", views.terms, name="terms"),
    path("icon/<int:count>.svg", views.favicon, name="favicon"),
]
