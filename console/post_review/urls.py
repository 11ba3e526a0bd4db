"""URLs of post-review."""

from django.urls import path

from console.post_review import views

app_name = "post_review"
urlpatterns = [
    path("post-review/", views.post_reviews, name="post_review"),
    path("post-review/find/", views.record_finding, name="find"),
]
