"""What is asked of an action type beside its own settings: rules, and bands by impact."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from approvals.models.people import Tier
from approvals.models.policy import ActionType, Impact


class Rule(models.Model):
    """An expression over a proposal and what follows when it is true."""

    class Effect(models.TextChoices):
        BLOCK = "block", _("Refuse")
        REVIEW = "review", _("Ask a person")
        FLAG = "flag", _("Only show it on the card")
        ALLOW = "allow", _("Let it pass, where nothing stricter holds")

    name = models.CharField(_("name"), max_length=120)
    action_type = models.ForeignKey(
        ActionType,
        models.CASCADE,
        related_name="rules",
        verbose_name=_("action type"),
        null=True,
        blank=True,
        help_text=_("Empty: every action type."),
    )
    expression = models.TextField(
        _("when"),
        help_text=_(
            "CEL over args, value, currency, agent, action, signals, context, run, now: "
            'args.amount > 250.0 && args.currency == "EUR". Write double(args.count) * 1.5 for whole numbers.'
        ),
    )
    effect = models.CharField(_("then"), max_length=6, choices=Effect.choices, default=Effect.REVIEW)
    tier = models.ForeignKey(
        Tier, models.PROTECT, verbose_name=_("at least tier"), null=True, blank=True, related_name="rules"
    )
    approvers = models.PositiveSmallIntegerField(
        _("people who must approve"), default=1, validators=[MinValueValidator(1), MaxValueValidator(5)]
    )
    stages = models.JSONField(
        _("stages"),
        default=list,
        blank=True,
        help_text=_(
            "For what several tiers approve one after the other; without stages everybody of the tier above may. "
            "Nobody approves twice."
        ),
    )
    typed = models.BooleanField(
        _("typed confirmation"), default=False, help_text=_("Who approves types a value of the arguments.")
    )
    message = models.CharField(
        _("in words"), max_length=300, help_text=_("What reviewer and agent read when it matches.")
    )
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        ordering = ["action_type", "name"]
        constraints = [
            models.UniqueConstraint(fields=["action_type", "name"], name="rule_name_once", nulls_distinct=False)
        ]

    def __str__(self) -> str:
        return self.name


class Threshold(models.Model):
    """Confidence bands of an action type for one impact; without a row the action type's own hold."""

    action_type = models.ForeignKey(
        ActionType, models.CASCADE, related_name="thresholds", verbose_name=_("action type")
    )
    impact = models.CharField(_("impact"), max_length=6, choices=Impact.choices)
    auto = models.DecimalField(_("passes from"), max_digits=4, decimal_places=3)
    review = models.DecimalField(_("a person from"), max_digits=4, decimal_places=3)

    class Meta:
        verbose_name = _("threshold")
        verbose_name_plural = _("thresholds")
        constraints = [
            models.UniqueConstraint(fields=["action_type", "impact"], name="threshold_once_per_impact"),
            models.CheckConstraint(
                condition=Q(auto__gte=models.F("review")) & Q(review__gte=0) & Q(auto__lte=1),
                name="threshold_is_ordered",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action_type} · {self.get_impact_display()}"
