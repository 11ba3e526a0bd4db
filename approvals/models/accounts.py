"""What happened to people's accounts: sign-ins, proofs of identity, and every change of credentials."""

from django.db import models

from approvals.models.event import SystemAuditEvent
from approvals.models.people import User


class AccountEvent(models.Model):
    """One thing that happened to an account, or was tried on one. Written once, never changed."""

    kind = models.CharField(max_length=30, choices=SystemAuditEvent.Kind.choices)
    user = models.ForeignKey(
        User, models.PROTECT, related_name="account_events", null=True, help_text="Empty: no such account."
    )
    login = models.CharField(max_length=254, blank=True, help_text="What was typed, where nobody was signed in.")
    address = models.GenericIPAddressField(null=True)
    session = models.CharField(max_length=64, blank=True, help_text="SHA-256 of the session's key.")
    facts = models.JSONField(default=dict)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["user", "-at"], name="account_event_of_person"),
            models.Index(fields=["-at"], name="account_event_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.user_id or self.login}"
