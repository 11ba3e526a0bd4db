"""`manage.py recount`: make what is certified of every agent anew from the labels."""

from django.core.management.base import BaseCommand

from approvals.evidence import labels


class Command(BaseCommand):
    help = "Count the labels of every agent, action type, version and impact anew, in the order in which they came."

    def handle(self, *args: object, **options: object) -> None:
        count = 0
        for count, (cell, labels_counted) in enumerate(labels.rebuild_all(), start=1):
            self.stdout.write(f"{count} · {labels_counted} labels · {cell}")
        self.stdout.write(f"{count} counted anew")
