"""Every address of the console; the agents' API adds its own."""

from django.contrib import admin
from django.urls import include, path

from console.views import account, batch, card, demo, health, history, inbox, modify, reports, verdict

urlpatterns = [
    path("", inbox.inbox, name="inbox"),
    path("overview/", inbox.pane, name="overview"),
    path("approvals/<uuid:pk>/", card.approval, name="approval"),
    path("approvals/<uuid:pk>/actions/", card.actions, name="actions"),
    path("approvals/<uuid:pk>/claimed/", card.claimed, name="claimed"),
    path("approvals/<uuid:pk>/decide/", verdict.decide, name="decide"),
    path("approvals/<uuid:pk>/approve/", card.approve, name="approve"),
    path("approvals/<uuid:pk>/reject/", card.reject, name="reject"),
    path("approvals/<uuid:pk>/modify/", modify.modify, name="modify"),
    path("approvals/<uuid:pk>/modify/form/", modify.form, name="modify_form"),
    path("approvals/<uuid:pk>/modify/diff/", modify.diff, name="modify_diff"),
    path("approvals/<uuid:pk>/escalate/", verdict.escalate, name="escalate"),
    path("approvals/<uuid:pk>/claim/", card.claim, name="claim"),
    path("approvals/<uuid:pk>/release/", card.release, name="release"),
    path("approvals/<uuid:pk>/undo/", card.undo, name="undo"),
    path("approvals/<uuid:pk>/comment/", card.comment, name="comment"),
    path("batch/", batch.batch, name="batch"),
    path("history/", history.history, name="history"),
    path("profile/", account.profile, name="profile"),
    path("profile/theme/", account.theme, name="theme"),
    path("demo/mail/", demo.mail, name="demo_mail"),
    path("icon/<int:count>.svg", inbox.favicon, name="favicon"),
    path("health/live", health.live, name="health_live"),
    path("health/ready", health.ready, name="health_ready"),
    path("account/", include("allauth.account.urls")),
    path("admin/", admin.site.urls),
    path("api/", include("agents.urls")),
    path("reports/", include("console.urls_reports")),
    path("calibration/", reports.confidence, name="calibration"),
]
