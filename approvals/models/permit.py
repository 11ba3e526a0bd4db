"""What proves, outside this database, that an action was approved; and that it was used."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from approvals.models.approval import Approval
from approvals.models.people import Agent


class SigningKey(models.Model):
    """An Ed25519 key that signs permits and grants. The private half is kept under the installation's secret.

    A retired key signs nothing new; its public half is published until the last permit it signed is over.
    """

    kid = models.CharField(_("key id"), max_length=43, primary_key=True, help_text=_("RFC 7638 thumbprint."))
    public = models.CharField(max_length=43, help_text="Base64url of the 32 bytes.")
    private = models.TextField(editable=False)
    created_at = models.DateTimeField(_("created"))
    retired_at = models.DateTimeField(_("retired"), null=True)
    published_until = models.DateTimeField(_("published until"), null=True)

    class Meta:
        verbose_name = _("signing key")
        verbose_name_plural = _("signing keys")
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(models.Value(1), condition=Q(retired_at=None), name="one_key_signs"),
            models.CheckConstraint(
                condition=Q(retired_at=None, published_until=None)
                | Q(retired_at__isnull=False, published_until__isnull=False),
                name="retired_key_is_published_until",
            ),
        ]

    def __str__(self) -> str:
        return self.kid[:8]


class Consumption(models.Model):
    """The one use of a permit. Append-only; whether it ran is told by the outcome, or by nobody yet."""

    approval = models.OneToOneField(Approval, models.PROTECT, related_name="consumption", primary_key=True)
    jti = models.UUIDField(unique=True, help_text="Of the permit: the decision that it carries.")
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="consumptions", db_index=False)
    attempt = models.CharField(max_length=64, help_text="The executor's own word for this try: its repeat is no reuse.")
    executor = models.CharField(max_length=200, blank=True, help_text="Who consumed it, in the executor's own words.")
    consumed_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.jti)
