"""What happened, chained; and what has to leave the house because of it."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from approvals.db.ids import new_id
from approvals.models.approval import Approval
from approvals.models.people import Agent, User


class AuditEvent(models.Model):
    """One change of one approval. The database refuses to update, delete or truncate events.

    `hash` = SHA-256(hash of the approval's event before it ‖ SHA-256(canonical JSON of what this event says)).
    What it says includes `state`, what the change left: by it the rows themselves can be verified.
    """

    class Kind(models.TextChoices):
        SUBMITTED = "submitted", _("Submitted")
        AMENDED = "amended", _("Revised by the agent")
        CLAIMED = "claimed", _("Claimed")
        UNCLAIMED = "unclaimed", _("Returned to the queue")
        VOTED = "voted", _("Approved by one of several")
        MODIFIED = "modified", _("Modified, needs approval again")
        DECIDED = "decided", _("Decided")
        UNDONE = "undone", _("Verdict taken back")
        RELEASED = "released", _("Released to the agent")
        ESCALATED = "escalated", _("Escalated")
        OVERDUE = "overdue", _("The last tier did not answer in time")
        EXPIRED = "expired", _("Nobody decided before the deadline")
        CANCELLED = "cancelled", _("Withdrawn by the agent")
        SUPERSEDED = "superseded", _("Replaced")
        SNOOZED = "snoozed", _("Snoozed")
        COMMENTED = "commented", _("Comment")
        ASKED = "asked", _("Question to the agent")
        ANSWERED = "answered", _("Answer of the agent")
        CONSUMED = "consumed", _("Permit used")
        ALARMED = "alarmed", _("Used, and never confirmed")
        OUTCOME = "outcome", _("Outcome")
        RETURNED = "returned", _("Came back, the world had moved")
        STOPPED = "stopped", _("Ended with its whole run")
        REVERSED = "reversed", _("Undone")
        STUCK = "stuck", _("Could not be undone")
        CLOSED = "closed", _("Undo closed by hand")
        GRANTED = "granted", _("Standing approval given")
        GUIDED = "guided", _("Guidance for the agent")
        INCIDENT = "incident", _("Incident")
        DELIVERY = "delivery", _("Delivery")
        STAGED = "staged", _("Approved in one stage, goes to the next")
        REVIEWED = "reviewed", _("Post-review")
        VETOED = "vetoed", _("Stopped by a veto")
        RECALLED = "recalled", _("Recalled")
        DISCLOSED = "disclosed", _("It was a test case")

    id = models.BigAutoField(primary_key=True)
    approval = models.ForeignKey(Approval, models.PROTECT, related_name="events", db_index=False)
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=10, choices=Kind.choices)
    user = models.ForeignKey(User, models.PROTECT, related_name="events", null=True, db_index=False)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="events", null=True, db_index=False)
    actor = models.CharField(max_length=160, help_text="user:ana, agent:robot, clock, policy")
    facts = models.JSONField(default=dict, help_text="Digests and small facts, no arguments and no texts.")
    state = models.JSONField(default=dict, help_text="Columns of the approval as it left them, digests of other rows.")
    at = models.DateTimeField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["approval", "seq"], name="event_once_per_seq")]

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"


class SystemAuditEvent(models.Model):
    """What happened and concerns no approval: policy, memberships, credentials, sign-ins, stops. Append-only.

    All of them form one chain: `hash` = SHA-256(hash of the one before ‖ SHA-256(canonical JSON of what it says)).
    """

    class Kind(models.TextChoices):
        POLICY_PUBLISHED = "policy_published", _("Policy published")
        MEMBERSHIP_ADDED = "membership_added", _("Membership added")
        MEMBERSHIP_CHANGED = "membership_changed", _("Membership changed")
        MEMBERSHIP_REMOVED = "membership_removed", _("Membership removed")
        RIGHTS_CHANGED = "rights_changed", _("Rights of a person changed")
        KEY_ISSUED = "key_issued", _("Key issued")
        KEY_REVOKED = "key_revoked", _("Key revoked")
        SIGNING_KEY_ROTATED = "signing_key_rotated", _("Signing key rotated")
        AGENT_PAUSED = "agent_paused", _("Agent paused")
        AGENT_RESUMED = "agent_resumed", _("Agent running again")
        STOPPED = "stopped", _("Everything stopped")
        LIFTED = "lifted", _("Stop lifted")
        SIGNED_IN = "signed_in", _("Signed in")
        SIGN_IN_FAILED = "sign_in_failed", _("Sign-in failed")
        SIGN_IN_REFUSED = "sign_in_refused", _("Sign-in refused: too many attempts")
        SIGNED_OUT = "signed_out", _("Signed out")
        CONFIRMED = "confirmed", _("Confirmed who they are")
        CONFIRM_FAILED = "confirm_failed", _("Failed to confirm who they are")
        CONFIRM_REFUSED = "confirm_refused", _("Confirmation refused: too many attempts")
        EMAIL_CHANGED = "email_changed", _("E-mail address changed")
        PASSWORD_CHANGED = "password_changed", _("Password changed")
        PEOPLE_ASKED = "people_asked", _("A second admin was asked")
        PEOPLE_REFUSED = "people_refused", _("A second admin refused")
        GIVEN_ALONE = "given_alone", _("Given by one admin alone")
        PASSWORD_LINK = "password_link", _("Link to set a password given")
        SESSION_ENDED = "session_ended", _("Session ended")
        FACTOR_ADDED = "factor_added", _("Second factor added")
        FACTOR_REMOVED = "factor_removed", _("Second factor removed")
        RECOVERY_CODES_MADE = "recovery_codes_made", _("Recovery codes made")
        RECOVERY_CODE_USED = "recovery_code_used", _("Recovery code used")
        LEVEL_RAISED = "level_raised", _("Promotion signed")
        LEVEL_LOWERED = "level_lowered", _("Level lowered")
        BREAKER_OPENED = "breaker_opened", _("Breaker opened")
        TRIAL_DECLARED = "trial_declared", _("Another trial declared")
        BREAKER_CLOSED = "breaker_closed", _("Breaker closed")
        INCIDENT_CLOSED = "incident_closed", _("Incident closed")
        CERTIFICATE_OPENED = "certificate_opened", _("Threshold certified")
        CERTIFICATE_ENDED = "certificate_ended", _("Certificate ended")
        CANARY_FAILED = "canary_failed", _("A canary request did not come through")
        CANARY_PASSED = "canary_passed", _("Canary requests come through again")

    seq = models.PositiveBigIntegerField(primary_key=True)
    kind = models.CharField(max_length=30, choices=Kind.choices)
    actor = models.CharField(max_length=160, help_text="user:ana, agent:robot, clock, command")
    subject = models.CharField(max_length=200, blank=True, help_text="user:ana, agent:robot, policy:7")
    detail = models.JSONField(default=dict, help_text="Small facts and digests, no secrets and no texts of agents.")
    at = models.DateTimeField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        ordering = ["-seq"]
        indexes = [
            models.Index(fields=["at"], name="system_event_at"),
            models.Index(fields=["subject", "-seq"], name="system_event_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.seq} {self.kind}"

    @property
    def details(self) -> str:
        """The facts in one line: `key: asn_1a2b · scopes: submit, read`."""
        lists = {name: ", ".join(map(str, said)) for name, said in self.detail.items() if isinstance(said, list)}
        return " · ".join(f"{name}: {said}" for name, said in {**self.detail, **lists}.items())


class SystemChain(models.Model):
    """Where the chain of system events ends: the one row that its next event moves on."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    seq = models.PositiveBigIntegerField()
    head = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="system_chain_is_one")]

    def __str__(self) -> str:
        return str(self.seq)


class Seal(models.Model):
    """An event's place in the one order of all events, given after its commit. The number is the feed."""

    number = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(AuditEvent, models.PROTECT, related_name="seal", null=True)
    system_event = models.OneToOneField(SystemAuditEvent, models.PROTECT, related_name="seal", null=True)
    hash = models.BinaryField(max_length=32, help_text="SHA-256(hash of the seal before ‖ hash of the event)")
    sealed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(event=None, system_event__isnull=False)
                | models.Q(event__isnull=False, system_event=None),
                name="seal_is_of_one_event",
            )
        ]

    def __str__(self) -> str:
        return str(self.number)


class LastCheckpoint(models.Model):
    """The newest signed checkpoint that was written outside the database: by it a shortened file is found."""

    id = models.PositiveSmallIntegerField(primary_key=True)
    number = models.PositiveBigIntegerField()
    hash = models.CharField(max_length=64, help_text="SHA-256 of its line, in hexadecimal digits.")

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="last_checkpoint_is_one")]

    def __str__(self) -> str:
        return str(self.number)


class Endpoint(models.Model):
    """Where an agent wants to be told (a webhook). The secrets are kept under the installation's own.

    A `callback` row stands for one place that requests of the agent name in their `callback_url`: it has no secret of
    its own (the agent's signs) and its address is the place alone, so that what goes there queues and rests together.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="endpoints", verbose_name=_("agent"))
    url = models.URLField(_("address"), max_length=2000)
    secret = models.TextField(editable=False)
    callback = models.BooleanField(default=False, editable=False)
    topics = ArrayField(
        models.CharField(max_length=40), verbose_name=_("told of"), default=list, blank=True,
        help_text=_("Empty: of everything."),
    )  # fmt: skip
    active = models.BooleanField(_("active"), default=True)
    ended = models.CharField(_("why it is off"), max_length=200, blank=True, editable=False)
    failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    rests_until = models.DateTimeField(null=True, editable=False, help_text="After failures: nothing is tried before.")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["agent", "url"]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "url"], condition=models.Q(callback=True), name="endpoint_once_per_callback_place"
            )
        ]

    def __str__(self) -> str:
        return self.url


class Delivery(models.Model):
    """Something that leaves the house: written in the transaction that causes it, carried out by a worker."""

    class Channel(models.TextChoices):
        MAIL = "mail", _("Mail")
        WEBHOOK = "webhook", _("Webhook")
        NOTICE = "notice", _("Notification")  # to a person or a tier, by one of their channels

    class Status(models.TextChoices):
        DUE = "due", _("Due")
        DONE = "done", _("Delivered")
        DROPPED = "dropped", _("No longer needed")
        DEAD = "dead", _("Given up")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    approval = models.ForeignKey(Approval, models.PROTECT, related_name="deliveries", null=True, db_index=False)
    endpoint = models.ForeignKey(Endpoint, models.CASCADE, related_name="deliveries", null=True, db_index=False)
    via = models.ForeignKey(
        "approvals.Channel",
        models.CASCADE,
        related_name="deliveries",
        null=True,
        db_index=False,
        verbose_name=_("by"),
    )
    urgent = models.BooleanField(default=False)
    channel = models.CharField(max_length=7, choices=Channel.choices)
    topic = models.CharField(max_length=40)
    user = models.ForeignKey(User, models.CASCADE, related_name="deliveries", null=True, db_index=False)
    target = models.CharField(max_length=2000, blank=True)
    payload = models.JSONField(default=dict)
    status = models.CharField(max_length=7, choices=Status.choices, default=Status.DUE)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField()
    gives_up_at = models.DateTimeField(null=True, help_text="What is still undelivered then is dead.")
    answered = models.PositiveSmallIntegerField(null=True, help_text="The last HTTP status.")
    last_error = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField()
    done_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        indexes = [
            # What is due, whoever sends it.
            models.Index(fields=["due_at"], condition=models.Q(status="due"), name="delivery_due"),
            # The line before one webhook.
            models.Index(fields=["endpoint", "due_at"], condition=models.Q(status="due"), name="delivery_of_endpoint"),
            # What one webhook never took: counted, and sent again by hand.
            models.Index(fields=["endpoint"], condition=models.Q(status="dead"), name="delivery_dead"),
            # All of one webhook: given up together, deleted with it.
            models.Index(fields=["endpoint"], condition=models.Q(endpoint__isnull=False), name="delivery_by_endpoint"),
            # The line before one channel.
            models.Index(
                fields=["via", "due_at"],
                condition=models.Q(status="due", via__isnull=False),
                name="delivery_of_channel",
            ),
            # All of one channel: what it tried before, deleted with it.
            models.Index(fields=["via"], condition=models.Q(via__isnull=False), name="delivery_by_channel"),
            # The admin's list.
            models.Index(fields=["-created_at"], name="delivery_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.topic} · {self.channel}"
