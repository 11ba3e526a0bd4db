"""Several approvals at once."""

from django.urls import path

from console.batch import views

app_name = "batch"
urlpatterns = [
    path("batch/", views.batch, name="batch"),
    path("attempts/<uuid:key>/undo/", views.undo, name="undo"),
]
