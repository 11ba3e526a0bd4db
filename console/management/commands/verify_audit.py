"""Recompute every chain and every row that they tell of, and name the first that lies."""

from argparse import ArgumentParser
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from approvals.history import seal


class Command(BaseCommand):
    help = "Verifies every chain, the rows they tell of, the seals and the checkpoints; names the first bad row."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("approval", nargs="?", type=UUID, help="only this approval, with the others of its request")

    def handle(self, *args: object, approval: UUID | None = None, **options: object) -> None:
        verification = seal.verify(approval, checkpoints=settings.ASSENT_CHECKPOINT_FILE)
        if not verification.ok:
            raise CommandError(verification.message)
        self.stdout.write(self.style.SUCCESS(f"OK: {verification.message}"))
