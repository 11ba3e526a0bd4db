"""Celery carries out deliveries and periodic work; nothing that would be missed lives in it."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

from celery import Celery

app = Celery("assent")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "clear-sessions": {"task": "console.tasks.clear_sessions", "schedule": 24 * 3600.0},
    "fit-curves": {"task": "approvals.tasks.fit_curves", "schedule": 15 * 60.0},
    "enter-labels": {"task": "approvals.tasks.enter_labels", "schedule": 60.0},
    "forget-spending": {"task": "approvals.tasks.forget_spending", "schedule": 24 * 3600.0},
}
