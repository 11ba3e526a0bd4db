"""What policy says of the evidence that an action type's proposals give."""

from datetime import timedelta

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class EvidenceSettings(models.Model):
    """The settings of an action type by which its labels are made, and by which an agent earns a level."""

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
    level_bar = models.DecimalField(
        _("wrong at the most"),
        max_digits=4,
        decimal_places=3,
        default="0.050",
        help_text=_("Share of an agent's proposals, 0 to 1: the next level is earned below it, a level lost above it."),
    )
    level_time = models.DurationField(
        _("at a level for"), default=timedelta(days=7), help_text=_("Before the next level can be signed.")
    )

    error_target = models.DecimalField(
        _("wrong at most"),
        max_digits=4,
        decimal_places=3,
        default="0.050",
        help_text=_("A lower threshold is certified where at most this share would have been changed or stopped."),
    )
    error_risk = models.DecimalField(
        _("claim false at most"),
        max_digits=4,
        decimal_places=3,
        default="0.050",
        help_text=_("The probability with which a certificate may be false, whenever one looks."),
    )
    threshold_start = models.DecimalField(
        _("certified from"),
        max_digits=4,
        decimal_places=3,
        null=True,
        blank=True,
        help_text=_(
            "The threshold that is asked about first, then the ones below it, one by one; best where 15 to 30 % of "
            "the proposals lie above it. Empty: all at once, which takes more labels."
        ),
    )

    error_cost = models.DecimalField(
        _("cost of an error"),
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("In base currency, of a wrong one that ran. Empty: reports count errors and no money."),
    )
    minute_cost = models.DecimalField(
        _("cost of a reviewer's minute"),
        max_digits=8,
        decimal_places=2,
        default="1.00",
        help_text=_("In base currency."),
    )

    class Meta:
        abstract = True


EVIDENCE_CONSTRAINTS = [
    models.CheckConstraint(
        condition=Q(level_bar__gt=0, level_bar__lt=1, level_time__gte=timedelta(0)),
        name="action_type_level_can_be_earned",
    ),
    models.CheckConstraint(
        condition=Q(horizon__gt=timedelta(0), minimum_view__gte=timedelta(0)), name="action_type_labels_take_time"
    ),
    models.CheckConstraint(
        condition=Q(error_target__gt=0, error_target__lt=1, error_risk__gt=0, error_risk__lt=1),
        name="action_type_claims_are_shares",
    ),
    models.CheckConstraint(
        condition=(Q(error_cost=None) | Q(error_cost__gte=0)) & Q(minute_cost__gte=0),
        name="action_type_costs_are_money",
    ),
]
