"""Celery carries out deliveries and periodic work. What must happen is a row, which the clock rings for again."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")

from celery import Celery

app = Celery("assent")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.update(
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_time_limit=120,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,  # the default gives up for good after 100 attempts
    # With the defaults a task whose worker was killed was not back after 90 s; with these it was in 9.
    broker_transport_options={
        "socket_connect_timeout": 2,
        "socket_timeout": 5,  # a broker that hangs is away; the default waits for two minutes
        "visibility_timeout": 180,
        "unacked_restore_interval": 2,
        "unacked_restore_throttle": 1,
    },
    timezone="UTC",
)
app.conf.beat_schedule = {
    "clear-sessions": {"task": "console.tasks.clear_sessions", "schedule": 24 * 3600.0},
    "fit-curves": {"task": "approvals.tasks.fit_curves", "schedule": 15 * 60.0},
    "enter-labels": {"task": "approvals.tasks.enter_labels", "schedule": 60.0},
    "summarize-week": {"task": "approvals.tasks.summarize_week", "schedule": 3600.0},
    "forget-spending": {"task": "approvals.tasks.forget_spending", "schedule": 24 * 3600.0},
}
