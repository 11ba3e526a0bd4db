"""`manage.py rotate_keys`: a new key signs permits and grants; the old one's public half stays published."""

from argparse import ArgumentParser
from datetime import timedelta

from django.core.management.base import BaseCommand

from approvals.execution import permits


class Command(BaseCommand):
    help = "Make a new key sign permits and grants; the old one's public half stays published for the overlap."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--overlap", type=int, default=permits.OVERLAP.days, metavar="DAYS", help="how long (default: %(default)s)"
        )

    def handle(self, *args: object, overlap: int, **options: object) -> None:
        key = permits.rotate(by=None, overlap=timedelta(days=overlap))
        self.stdout.write(f"{key.kid} signs from now on; the one before is published for {overlap} days more.")
