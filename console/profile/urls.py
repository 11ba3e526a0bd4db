"""URLs of one's own account."""

from django.urls import path

from console.profile import notifications, security, views

app_name = "profile"
urlpatterns = [
    path("profile/", views.profile, name="profile"),
    path("profile/absences/", views.away, name="away"),
    path("profile/absences/<int:pk>/end/", views.back, name="back"),
    path("profile/security/", security.security, name="security"),
    path("profile/security/sessions/<int:pk>/end/", security.end_session, name="end_session"),
    path("profile/security/sessions/end/", security.end_sessions, name="end_sessions"),
    path("profile/security/tokens/", security.issue_token, name="issue_token"),
    path("profile/security/tokens/<uuid:pk>/revoke/", security.revoke_token, name="revoke_token"),
    path("profile/theme/", views.theme, name="theme"),
    path("profile/notifications/", notifications.preferences, name="notifications"),
    path("profile/notifications/channels/", notifications.add, name="add_channel"),
    path("profile/notifications/channels/<uuid:pk>/", notifications.channel, name="channel"),
    path("profile/notifications/slack/", notifications.slack_link, name="slack_link"),
]
