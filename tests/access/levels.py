"""What one may try on the level and the breaker of the agent under test: its next level is earned in its high band."""

from datetime import timedelta

from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from approvals.db import times
from approvals.models import Approval, Autonomy, Breaker, Incident, LevelEvidence, User


def trusted(approval: Approval) -> Autonomy:
    """The row of its agent and action, at level 2."""
    row, _ = Autonomy.objects.get_or_create(
        agent=approval.agent, action_type=approval.action_type, defaults={"level": 2}
    )
    return row


def signing(client: Client, approval: Approval) -> HttpResponse:
    began = times.now() - timedelta(days=30)
    values = {"labels": 100, "e": 30.0, "earned": True, "began_at": began, "counts_from": began}
    Autonomy.objects.all().delete()
    evidence = LevelEvidence.objects.create(autonomy=trusted(approval), impact="high", **values)
    return client.post(reverse("evidence:sign", args=[evidence.pk]), {"level": "2"})


def lowering(client: Client, approval: Approval) -> HttpResponse:
    Autonomy.objects.all().delete()
    return client.post(reverse("evidence:lower", args=[trusted(approval).pk]), {"level": "1"})


def opening_breaker(client: Client, approval: Approval) -> HttpResponse:
    Breaker.objects.all().delete()
    form = {"scope": "pair", "why": "It invents orders.", "decisions": "20", "wrong": "1"}
    return client.post(reverse("evidence:open_breaker", args=[trusted(approval).pk]), form)


def open_breaker_of(approval: Approval) -> Breaker:
    """An open one over its agent; its trial began before what people decided of it."""
    began = times.now() - timedelta(days=3)
    values = {"why": "to be sure", "opened_at": began, "trial_began_at": began, "trial_decisions": 1, "trial_wrong": 0}
    breaker, _ = Breaker.objects.get_or_create(agent=approval.agent, closed_at=None, defaults=values)
    return breaker


def closing_breaker(client: Client, approval: Approval) -> HttpResponse:
    """After a trial of one decision, which was a considered approval."""
    Breaker.objects.all().delete()
    Approval.objects.filter(pk=approval.pk).update(
        status="released",
        verdict="approve",
        source="human",
        decided_by=User.objects.get_or_create(username="bob", defaults={"email": "bob@example.com"})[0],
        decided_at=times.now(),
        released_at=times.now(),
        viewed=timedelta(minutes=1),
    )
    return client.post(reverse("evidence:close_breaker", args=[open_breaker_of(approval).pk]))


def declaring_trial(client: Client, approval: Approval) -> HttpResponse:
    Breaker.objects.all().delete()
    address = reverse("evidence:declare_trial", args=[open_breaker_of(approval).pk])
    return client.post(address, {"decisions": "44", "wrong": "2"})


def closing_incident(client: Client, approval: Approval) -> HttpResponse:
    incident = Incident.objects.create(approval=approval, severity="high", text="gone")
    return client.post(reverse("evidence:close_incident", args=[incident.pk]))
