"""What money is worth in base currency."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class Currency(models.Model):
    """What one unit is worth in base currency. The base currency's own rate is 1."""

    code = models.CharField(_("code"), max_length=3, primary_key=True)
    rate = models.DecimalField(_("in base currency"), max_digits=16, decimal_places=8)

    class Meta:
        verbose_name = _("currency")
        verbose_name_plural = _("currencies")
        ordering = ["code"]
        constraints = [models.CheckConstraint(condition=Q(rate__gt=0), name="currency_rate_is_positive")]

    def __str__(self) -> str:
        return self.code
