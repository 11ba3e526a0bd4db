"""URLs of an agent's page: pausing it, and rejecting what it has pending."""

from django.urls import path

from console.agent import views

app_name = "agent"
urlpatterns = [
    path("agents/<uuid:pk>/", views.agent_detail, name="agent"),
    path("agents/<uuid:pk>/pause/", views.pause, name="pause"),
    path("agents/<uuid:pk>/reject/", views.reject, name="reject"),
]
