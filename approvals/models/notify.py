"""Where people are told that something waits, and whether that works."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from approvals.db.ids import new_id
from approvals.models.approval import Approval
from approvals.models.people import Domain, Tier, User


class Channel(models.Model):
    """One way to reach a person, or everybody who watches over a tier. Its address is kept under the installation's
    own secret; what is shown of it is the name of its service.

    A person's own e-mail address is a channel without a row until it is changed or used: it is on, for what is urgent.
    """

    MAIL, SLACK = "mail", "slackapp"  # beside the services of apprise: what this installation sends itself

    class Carries(models.TextChoices):
        BOTH = "both", _("Everything")
        URGENT = "urgent", _("Only what is urgent")
        NORMAL = "normal", _("Only what is not urgent")

    class State(models.TextChoices):
        UNTRIED = "untried", _("Not used yet")
        WORKS = "works", _("Works")
        FAILED = "failed", _("Does not work")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="channels", null=True, blank=True)
    tier = models.ForeignKey(
        Tier, models.CASCADE, related_name="channels", null=True, blank=True, verbose_name=_("tier")
    )
    domain = models.ForeignKey(
        Domain, models.CASCADE, related_name="channels", null=True, blank=True, verbose_name=_("domain"),
        help_text=_("Empty: every domain."),
    )  # fmt: skip
    service = models.CharField(_("service"), max_length=20, editable=False)
    name = models.CharField(_("name"), max_length=80, blank=True)
    kept = models.TextField(editable=False, blank=True)
    carries = models.CharField(_("carries"), max_length=6, choices=Carries.choices, default=Carries.BOTH)
    active = models.BooleanField(_("active"), default=True)

    state = models.CharField(_("state"), max_length=7, choices=State.choices, default=State.UNTRIED, editable=False)
    tried_at = models.DateTimeField(_("last tried"), null=True, editable=False)
    error = models.CharField(_("last error"), max_length=200, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False)
    notified_at = models.DateTimeField(null=True, editable=False, help_text="When it last carried something.")
    rests_until = models.DateTimeField(null=True, editable=False, help_text="After failures: nothing is tried before.")
    leased_until = models.DateTimeField(null=True, editable=False, help_text="One worker at a time.")
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        ordering = ["created_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False, tier=None, domain=None) | Q(user=None, tier__isnull=False),
                name="channel_is_a_persons_or_a_tiers",
            ),
            models.UniqueConstraint(
                fields=["user", "service"], condition=Q(service__in=["mail", "slackapp"]), name="channel_once_built_in"
            ),
        ]

    def __str__(self) -> str:
        return self.name or (str(_("E-mail")) if self.is_mail else self.service)

    @property
    def is_mail(self) -> bool:
        """The person's own address, which is never removed, only switched off."""
        return self.service == self.MAIL

    @property
    def works(self) -> bool:
        """On, and not known to fail."""
        return self.active and self.state != self.State.FAILED


class NotificationRecord(models.Model):
    """That somebody who may decide it heard of an approval in a queue, or that within five minutes nobody did."""

    class By(models.TextChoices):
        CHANNEL = "channel", _("A channel took the message")
        INBOX = "inbox", _("An open inbox showed the row")
        NOBODY = "nobody", _("Nobody; an alarm was raised")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    approval = models.ForeignKey(Approval, models.CASCADE, related_name="heard", db_index=False)
    queue = models.CharField(max_length=60)
    by = models.CharField(max_length=7, choices=By.choices)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["approval", "queue"], name="heard_once_in_each_queue")]
        indexes = [
            # Whether an alarm was raised of a queue lately, and of what.
            models.Index(fields=["queue", "at"], condition=Q(by="nobody"), name="heard_by_nobody"),
        ]

    def __str__(self) -> str:
        return f"{self.queue}: {self.by}"


class SlackAccount(models.Model):
    """Who a person is in Slack, as proven by that account. A press of a button there is this person's."""

    user = models.OneToOneField(User, models.CASCADE, related_name="slack")
    team = models.CharField(max_length=40)
    account = models.CharField(max_length=40)
    linked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "account"], name="slack_account_once")]

    def __str__(self) -> str:
        return self.account


class SlackMessage(models.Model):
    """A card in Slack: to whom it went, and exactly what it showed. Only its own buttons decide it."""

    approval = models.ForeignKey(Approval, models.CASCADE, related_name="slack_messages")
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    slack_channel = models.CharField(max_length=40, help_text="Slack's id of the conversation.")
    slack_ts = models.CharField(max_length=40, help_text="Slack's id of the message in it.")
    revision = models.PositiveIntegerField()
    round = models.PositiveIntegerField()
    digest = models.CharField(max_length=71)
    sent_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, help_text="When its buttons were taken away.")

    class Meta:
        indexes = [models.Index(fields=["approval"], condition=Q(closed_at=None), name="slack_message_open")]

    def __str__(self) -> str:
        return f"{self.slack_channel} {self.slack_ts}"
