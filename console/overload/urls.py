"""URLs of overload: the banner, and catching up afterwards."""

from django.urls import path

from console.overload import views

app_name = "overload"
urlpatterns = [
    path("overload/", views.banner, name="banner"),
    path("catch-up/", views.overload_list, name="catch_up"),
    path("catch-up/<uuid:pk>/", views.overload_detail, name="period"),
    path("catch-up/<uuid:pk>/seen/", views.mark, name="seen"),
]
