"""URLs of the history and the audit log."""

from django.urls import path

from console.history import audit_log, views

app_name = "history"
urlpatterns = [
    path("history/", views.history, name="history"),
    path("history/terms/", views.terms, name="terms"),
    path("audit-log/", audit_log.audit_log, name="audit_log"),
    path("audit-log/verify/", audit_log.verify, name="verify"),
    path("audit-log/audit-log.csv", audit_log.audit_log_csv, name="audit_log_csv"),
]
