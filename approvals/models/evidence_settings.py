"""What policy says of the evidence that an action type's proposals give."""

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class EvidenceSettings(models.Model):
    """The settings of an action type by which its labels are made."""

    horizon = models.DurationField(
        _("judged after"),
        default=timedelta(days=7),
        help_text=_("What nobody found fault with by then was right, and an incident later than that counts no more."),
    )
    material = models.JSONField(
        _("arguments that count"),
        default=list,
        blank=True,
        help_text=_("A change by a reviewer in one of these means that the proposal was wrong. Empty: in any."),
    )
    minimum_view = models.DurationField(
        _("least time in view"),
        default=timedelta(seconds=2),
        help_text=_("An approval after less time on the card is no evidence that anybody read it."),
    )

    class Meta:
        abstract = True


EVIDENCE_CONSTRAINTS = [
    models.CheckConstraint(
        condition=Q(horizon__gt=timedelta(0), minimum_view__gte=timedelta(0)), name="action_type_labels_take_time"
    ),
]
