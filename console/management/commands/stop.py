"""`manage.py stop --why …`: stop everything, where nobody can reach the page."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from approvals.execution import kill_switch


class Command(BaseCommand):
    help = "Stop everything: nothing is released and no permit is used until `manage.py lift`."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--why", required=True, help="every page shows it")

    def handle(self, *args: object, why: str, **options: object) -> None:
        why = why.strip()
        if not 0 < len(why) <= kill_switch.LONGEST_WHY or "\0" in why:
            raise CommandError(f"--why takes 1 to {kill_switch.LONGEST_WHY} characters")
        stop = kill_switch.stop(by=None, why=why)
        self.stdout.write(f"Everything is stopped since {stop.began_at:%Y-%m-%d %H:%M:%S} UTC: {stop.why}")
