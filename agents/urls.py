"""`/api/…`: included by the console's URLs. Everything under v1 runs beside the pages' middlewares (console.asgi)."""

from django.urls import path, re_path

from agents.api import attachments, events, feedback, grants, inbox, openapi, permits, policy, requests, runs, talk

urlpatterns = [
    path("v1/requests", requests.Requests.as_view(), name="api_requests"),
    path("v1/requests/bulk", requests.Bulk.as_view(), name="api_bulk"),
    path("v1/requests/<uuid:pk>", requests.OneRequest.as_view(), name="api_request"),
    path("v1/requests/<uuid:pk>/decision", requests.OneDecision.as_view(), name="api_decision"),
    path("v1/requests/<uuid:pk>/cancel", requests.Cancel.as_view(), name="api_cancel"),
    path("v1/requests/<uuid:pk>/lease", permits.Lease.as_view(), name="api_lease"),
    # The item's id is the framework's own, verbatim: it may hold anything, slashes too.
    path("v1/requests/<uuid:pk>/items/<path:item>/outcome", requests.ItemOutcome.as_view(), name="api_outcome"),
    path("v1/requests/<uuid:pk>/items/<path:item>/amend", talk.Amend.as_view(), name="api_amend"),
    path("v1/questions/<uuid:pk>/answer", talk.Answer.as_view(), name="api_answer"),
    path("v1/attachments", attachments.Attachments.as_view(), name="api_attachments"),
    path("v1/incidents", talk.Incidents.as_view(), name="api_incidents"),
    path("v1/feedback", feedback.Feedback.as_view(), name="api_feedback"),
    # A run's key is the agent's own and may hold slashes: before every pattern that takes the rest of the path.
    path("v1/runs/<path:key>/guidance", talk.RunGuidance.as_view(), name="api_guidance"),
    path("v1/runs/<path:key>/end", runs.End.as_view(), name="api_run_end"),
    path("v1/runs/<path:key>/steps", runs.Steps.as_view(), name="api_steps"),
    path("v1/runs/<path:key>/steps/<path:step>/undo", runs.Undo.as_view(), name="api_step_undo"),
    path("v1/runs/<path:key>", runs.OneRun.as_view(), name="api_run"),
    path("v1/permits/<uuid:jti>/consume", permits.Consume.as_view(), name="api_consume"),
    path("v1/grants", grants.Grants.as_view(), name="api_grants"),
    path("v1/grants/<uuid:pk>/uses", grants.GrantUses.as_view(), name="api_grant_uses"),
    path("v1/whoami", permits.Whoami.as_view(), name="api_whoami"),
    path("v1/events", events.Events.as_view(), name="api_events"),
    path("v1/evaluate", policy.Evaluate.as_view(), name="api_evaluate"),
    path("v1/action-types", policy.ActionTypes.as_view(), name="api_action_types"),
    path("v1/action-types/<slug:name>", policy.OneActionType.as_view(), name="api_action_type"),
    path("v1/inbox", inbox.Inbox.as_view(), name="api_inbox"),
    path("v1/inbox/batch", inbox.Batch.as_view(), name="api_batch"),
    path("v1/inbox/<uuid:pk>", inbox.Card.as_view(), name="api_card"),
    path("v1/inbox/<uuid:pk>/claim", inbox.Claim.as_view(), name="api_claim"),
    path("v1/inbox/<uuid:pk>/decide", inbox.Decide.as_view(), name="api_decide"),
    path("v1/openapi.json", openapi.openapi, name="api_openapi"),
    path("docs/", openapi.Docs.as_view(), name="api_docs"),
    re_path(r"^v1/", openapi.missing, name="api_missing"),
]
