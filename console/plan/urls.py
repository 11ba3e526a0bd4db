"""URLs for editing a plan on its card."""

from django.urls import path

from console.plan import views

app_name = "plan"
urlpatterns = [
    path("approvals/<uuid:pk>/plan/", views.plan, name="plan"),
]
