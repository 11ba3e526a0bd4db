"""URLs of the help pages."""

from django.urls import path

from console.help import views

app_name = "help"
urlpatterns = [
    path("help/", views.start, name="contents"),
    path("help/titles.json", views.titles, name="titles"),
    path("help/<slug:slug>/", views.page, name="page"),
]
