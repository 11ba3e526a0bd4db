"""`manage.py recount`: make what is certified of every agent, and what calibration reads, anew from the labels."""

from django.core.management.base import BaseCommand

from approvals.evidence import calibration_counts, label_recounts


class Command(BaseCommand):
    help = "Count the labels of every agent, action type, version and impact anew, in the order in which they came."

    def handle(self, *args: object, **options: object) -> None:
        count = 0
        for count, (cell, labels_counted) in enumerate(label_recounts.rebuild_all(), start=1):
            self.stdout.write(f"{count} · {labels_counted} labels · {cell}")
        self.stdout.write(f"{count} counted anew")
        self.stdout.write(f"{calibration_counts.rebuild()} labels counted by their scores")
