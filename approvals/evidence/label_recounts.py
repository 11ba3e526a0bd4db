"""What counts labels, made again from the labels alone: the states of every cell, and what calibration reads."""

from collections.abc import Iterator

from django.db import transaction

from approvals.evidence import labels
from approvals.models import EvidenceCell, LabelFeed


def rebuild_all() -> Iterator[tuple[EvidenceCell, int]]:
    """Make the states of all cells anew, one after the other, each in a transaction of its own; how many labels."""
    for pk in EvidenceCell.objects.order_by("began_at", "pk").values_list("pk", flat=True):
        with transaction.atomic():
            LabelFeed.objects.select_for_update().filter(pk=1).first()  # no label enters meanwhile
            cell = EvidenceCell.objects.get(pk=pk)
            rebuild(cell)
        yield cell, cell.labels.count()


def rebuild(cell: EvidenceCell) -> None:
    """Make the states of a cell anew from its labels, in the order in which they entered and were settled."""
    entered = list(cell.labels.order_by("number"))
    steps = [(label.number, label, False) for label in entered]
    steps += [(label.settled, label, True) for label in entered if label.settled is not None]
    all_countings = labels.countings(replaying=True)
    for counting in all_countings:
        counting.begin_again(cell)
    for _, label, after in sorted(steps, key=lambda step: step[0]):
        verdict = label.wrong
        label.wrong = True if label.missing and not after else verdict  # as it was when it entered
        for counting in all_countings:
            (counting.correct if after else counting.see)(cell, label)
        label.wrong = verdict
    for counting in all_countings:
        counting.store(cell)
    cell.save(update_fields=["states"])
