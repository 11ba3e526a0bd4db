"""What a person typed on a page and did not send."""

from django.db import models
from django.db.models import Q

from approvals.db.ids import new_id
from approvals.models.approval import Approval
from approvals.models.people import User
from approvals.models.run import Run


class UnsentText(models.Model):
    """The fields of one form as one browser tab left them. Only its author ever reads it.

    A slot names the form: reject, modify, comment. Each tab writes a row of its own, so that two tabs of one person
    never overwrite each other; `turn` grows with every change in a tab, so that a late message overwrites nothing.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(User, models.CASCADE, related_name="unsent")
    approval = models.ForeignKey(Approval, models.CASCADE, null=True, related_name="unsent")
    run = models.ForeignKey(Run, models.CASCADE, null=True, related_name="unsent")
    slot = models.CharField(max_length=60)
    version = models.CharField(max_length=200, blank=True, help_text="Of the card on which it was typed.")
    tab = models.CharField(max_length=40)
    turn = models.BigIntegerField()
    fields = models.JSONField()
    typed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "approval", "run", "slot", "version", "tab"],
                nulls_distinct=False,
                name="unsent_text_once_per_tab",
            ),
            models.CheckConstraint(condition=Q(approval=None) | Q(run=None), name="unsent_text_has_one_object"),
        ]
        indexes = [
            models.Index(fields=["approval"], name="unsent_text_of_approval"),
            models.Index(fields=["typed_at"], name="unsent_text_by_age"),
        ]

    def __str__(self) -> str:
        return self.slot  # never the text
