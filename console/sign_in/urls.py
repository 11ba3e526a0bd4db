"""URLs that say who is signed in."""

from django.urls import path

from console.sign_in import views

app_name = "sign_in"
urlpatterns = [
    path("session/", views.session, name="session"),
]
