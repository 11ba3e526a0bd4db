"""URLs of the kill switch."""

from django.urls import path

from console.kill_switch import views

app_name = "kill_switch"
urlpatterns = [
    path("stop/", views.stop, name="stop"),
    path("stop/lift/", views.lift, name="lift"),
]
