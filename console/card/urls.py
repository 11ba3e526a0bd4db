"""URLs of a card: what a person reads of an approval and does with it."""

from django.urls import path

from console.card import attempts, conversation, modify, recall, unsent, verdict, views

app_name = "card"
urlpatterns = [
    path("approvals/<uuid:pk>/", views.approval, name="card"),
    path("approvals/<uuid:pk>/actions/", views.actions, name="actions"),
    path("approvals/<uuid:pk>/claimed/", views.claimed, name="claimed"),
    path("approvals/<uuid:pk>/decide/", verdict.decide, name="decide"),
    path("approvals/<uuid:pk>/approve/", views.approve, name="approve"),
    path("approvals/<uuid:pk>/passkey/", views.passkey, name="passkey"),
    path("approvals/<uuid:pk>/answer/", views.answer, name="answer"),
    path("approvals/<uuid:pk>/reject/", views.reject, name="reject"),
    path("approvals/<uuid:pk>/modify/", modify.modify, name="modify"),
    path("approvals/<uuid:pk>/modify/form/", modify.redraw_form, name="modify_form"),
    path("approvals/<uuid:pk>/modify/diff/", modify.diff, name="modify_diff"),
    path("approvals/<uuid:pk>/escalate/", verdict.escalate, name="escalate"),
    path("approvals/<uuid:pk>/claim/", views.claim, name="claim"),
    path("approvals/<uuid:pk>/release/", views.release, name="release"),
    path("approvals/<uuid:pk>/undo/", views.undo_verdict, name="undo"),
    path("approvals/<uuid:pk>/recall/", recall.recall, name="recall"),
    path("approvals/<uuid:pk>/thread/", conversation.thread, name="thread"),
    path("approvals/<uuid:pk>/ask/", conversation.ask, name="ask"),
    path("approvals/<uuid:pk>/guide/", conversation.guide, name="guide"),
    path("approvals/<uuid:pk>/incident/", conversation.incident, name="incident"),
    path("approvals/<uuid:pk>/snooze/", conversation.snooze, name="snooze"),
    path("approvals/<uuid:pk>/files/<uuid:file>/", conversation.attachment, name="attachment"),
    path("approvals/<uuid:pk>/comment/", views.comment, name="comment"),
    path("unsent/", unsent.texts, name="unsent"),
    path("unsent/<uuid:pk>/discard/", unsent.discard, name="discard_unsent"),
    path("attempts/<uuid:key>/", attempts.attempt_state, name="attempt"),
]
