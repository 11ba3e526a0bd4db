"""The kill switch: while a stop stands, nothing is released and no permit is used."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from approvals.models.people import User


class Stop(models.Model):
    """One time in which everything was stopped. The database refuses a second one that stands, and any other change
    than lifting it.

    `by` is None where it came from the command line.
    """

    began_at = models.DateTimeField(_("since"))
    by = models.ForeignKey(User, models.PROTECT, related_name="stops", null=True)
    why = models.CharField(_("why"), max_length=500)
    lifted_at = models.DateTimeField(_("lifted"), null=True)
    lifted_by = models.ForeignKey(User, models.PROTECT, related_name="lifted_stops", null=True)

    class Meta:
        ordering = ["-began_at"]
        constraints = [models.UniqueConstraint(models.Value(1), condition=Q(lifted_at=None), name="stop_stands_once")]

    def __str__(self) -> str:
        return f"{self.began_at:%Y-%m-%d %H:%M:%S}"
