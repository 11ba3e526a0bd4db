"""`/api/…`: included by the console's URLs. Everything under v1 runs beside the pages' middlewares (console.asgi)."""

from django.urls import path, re_path

from agents.api import (
    attachments,
    conversation,
    events,
    feedback,
    grants,
    inbox,
    openapi,
    pausing,
    permits,
    policy,
    requests,
    runs,
    stop,
)

app_name = "api"
urlpatterns = [
    path("v1/requests", requests.Requests.as_view(), name="requests"),
    path("v1/requests/bulk", requests.Bulk.as_view(), name="bulk"),
    path("v1/requests/<uuid:pk>", requests.RequestDetail.as_view(), name="request"),
    path("v1/requests/<uuid:pk>/decision", requests.RequestDecision.as_view(), name="decision"),
    path("v1/requests/<uuid:pk>/cancel", requests.Cancel.as_view(), name="cancel"),
    path("v1/requests/<uuid:pk>/lease", permits.Lease.as_view(), name="lease"),
    # The item's id is the framework's own, verbatim: it may hold anything, slashes too.
    path("v1/requests/<uuid:pk>/items/<path:item>/outcome", requests.ItemOutcome.as_view(), name="outcome"),
    path("v1/requests/<uuid:pk>/items/<path:item>/amend", conversation.Amend.as_view(), name="amend"),
    path("v1/questions/<uuid:pk>/answer", conversation.Answer.as_view(), name="answer"),
    path("v1/attachments", attachments.Attachments.as_view(), name="attachments"),
    path("v1/incidents", conversation.Incidents.as_view(), name="incidents"),
    path("v1/feedback", feedback.Feedback.as_view(), name="feedback"),
    # A run's key is the agent's own and may hold slashes: before every pattern that takes the rest of the path.
    path("v1/runs/<path:key>/guidance", conversation.RunGuidance.as_view(), name="guidance"),
    path("v1/runs/<path:key>/end", runs.End.as_view(), name="run_end"),
    path("v1/runs/<path:key>/steps", runs.Steps.as_view(), name="steps"),
    path("v1/runs/<path:key>/steps/<path:step>/undo", runs.Undo.as_view(), name="step_undo"),
    path("v1/runs/<path:key>", runs.RunDetail.as_view(), name="run"),
    path("v1/permits/<uuid:jti>/consume", permits.Consume.as_view(), name="consume"),
    path("v1/grants", grants.Grants.as_view(), name="grants"),
    path("v1/grants/<uuid:pk>/uses", grants.GrantUses.as_view(), name="grant_uses"),
    path("v1/whoami", permits.Whoami.as_view(), name="whoami"),
    path("v1/events", events.Events.as_view(), name="events"),
    path("v1/evaluate", policy.Evaluate.as_view(), name="evaluate"),
    path("v1/action-types", policy.ActionTypes.as_view(), name="action_types"),
    path("v1/action-types/<slug:name>", policy.ActionTypeDetail.as_view(), name="action_type"),
    path("v1/inbox", inbox.Inbox.as_view(), name="inbox"),
    path("v1/inbox/batch", inbox.Batch.as_view(), name="batch"),
    path("v1/inbox/<uuid:pk>", inbox.Card.as_view(), name="card"),
    path("v1/inbox/<uuid:pk>/claim", inbox.Claim.as_view(), name="claim"),
    path("v1/inbox/<uuid:pk>/decide", inbox.Decide.as_view(), name="decide"),
    path("v1/inbox/<uuid:pk>/recall", inbox.Recall.as_view(), name="recall"),
    path("v1/agents/<slug:name>/pause", pausing.Pausing.as_view(), name="agent_pause"),
    path("v1/agents/<slug:name>/reject-pending", pausing.RejectPending.as_view(), name="reject_pending"),
    path("v1/stop", stop.KillSwitch.as_view(), name="stop"),
    path("v1/openapi.json", openapi.openapi, name="openapi"),
    path("docs/", openapi.Docs.as_view(), name="docs"),
    re_path(r"^v1/", openapi.missing, name="missing"),
]
