"""Count every figure anew from the rows; what is counted meanwhile comes after it."""

from django.core.management.base import BaseCommand

from approvals.evidence import rollups


class Command(BaseCommand):
    help = "Counts the figures of all reports anew; the pages show the old ones until it is done."

    def handle(self, *args: object, **options: object) -> None:
        count = rollups.rebuild(self._progress)
        self.stdout.write(self.style.SUCCESS(f"{count} approvals counted"))

    def _progress(self, done: int, of_all: int) -> None:
        self.stderr.write(f"\r{done} of {of_all} ({100 * done // of_all} %)", ending="")
        if done == of_all:
            self.stderr.write("")
