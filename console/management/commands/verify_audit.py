"""Recompute every chain and name the first bad row."""

from argparse import ArgumentParser
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from approvals import seal


class Command(BaseCommand):
    help = "Verifies the chain of every approval, the seals over them and the checkpoints; names the first bad row."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("approval", nargs="?", type=UUID, help="only this approval's chain")

    def handle(self, *args: object, approval: UUID | None = None, **options: object) -> None:
        found = seal.verify(approval, checkpoints=settings.ASSENT_CHECKPOINT_FILE, secret=settings.SECRET_KEY)
        if not found.ok:
            raise CommandError(found.message)
        self.stdout.write(self.style.SUCCESS(f"OK: {found.message}"))
