"""What Slack calls."""

from django.urls import path

from console.slack import views

app_name = "slack"
urlpatterns = [
    path("slack/interactions", views.interactions, name="interactions"),
    path("slack/commands", views.commands, name="commands"),
]
