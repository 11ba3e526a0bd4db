"""URLs of the fleet: how far each agent is trusted, what it has earned, and the breakers."""

from django.urls import path

from console.evidence import breaker_views, views

app_name = "evidence"
urlpatterns = [
    path("fleet/", views.fleet, name="fleet"),
    path("fleet/<int:pk>/", views.cell, name="cell"),
    path("fleet/<int:pk>/sign/", views.sign, name="sign"),
    path("fleet/<int:pk>/lower/", views.lower, name="lower"),
    path("fleet/<int:pk>/breaker/", breaker_views.open_breaker, name="open_breaker"),
    path("fleet/incidents/<uuid:pk>/close/", views.close_incident, name="close_incident"),
    path("fleet/breakers/<uuid:pk>/", breaker_views.breaker_detail, name="breaker"),
    path("fleet/breakers/<uuid:pk>/close/", breaker_views.close_breaker, name="close_breaker"),
    path("fleet/breakers/<uuid:pk>/trial/", breaker_views.declare_trial, name="declare_trial"),
]
