"""The address of the page on oversight."""

from django.urls import path

from console.oversight import views

app_name = "oversight"
urlpatterns = [path("reports/oversight/", views.oversight, name="oversight")]
