"""`manage.py bench`: measure this machine's Assent."""

import sys
from argparse import ArgumentParser
from contextlib import redirect_stdout

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from console.bench import measures, report
from console.startup.terminal import Refused


class Command(BaseCommand):
    help = "Measure speed and size on servers of its own; memory of the Assent that runs, else of one started for it."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("which", nargs="?", default="all", choices=[*measures.STAGED, "memory", "evidence", "all"])
        parser.add_argument("--most", type=int, default=1_000_000, help="of pages: how many approvals wait, at most")
        parser.add_argument("--runs", type=int, default=1000, help="made-up careers for each figure of `evidence`")
        parser.add_argument("--seed", type=int, default=12, help="of the made-up careers")
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(self, *, which: str, most: int, runs: int, seed: int, json: bool, **options: object) -> None:
        try:
            with redirect_stdout(sys.stderr):
                figures = measures.run(which, settings.ASSENT_DATA, most=most, runs=runs, seed=seed)
        except Refused as refused:
            raise CommandError(str(refused)) from None
        self.stdout.write(report.document(figures) if json else report.table(figures))
