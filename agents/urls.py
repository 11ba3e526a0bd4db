"""`/api/…`: included by the console's URLs. Everything under v1 runs beside the pages' middlewares (console.asgi)."""

from django.urls import path, re_path

from agents.api import inbox, openapi, policy, requests

urlpatterns = [
    path("v1/requests", requests.Requests.as_view(), name="api_requests"),
    path("v1/requests/bulk", requests.Bulk.as_view(), name="api_bulk"),
    path("v1/requests/<uuid:pk>", requests.OneRequest.as_view(), name="api_request"),
    path("v1/requests/<uuid:pk>/decision", requests.OneDecision.as_view(), name="api_decision"),
    path("v1/requests/<uuid:pk>/cancel", requests.Cancel.as_view(), name="api_cancel"),
    # The item's id is the framework's own, verbatim: it may hold anything, slashes too.
    path("v1/requests/<uuid:pk>/items/<path:item>/outcome", requests.ItemOutcome.as_view(), name="api_outcome"),
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
