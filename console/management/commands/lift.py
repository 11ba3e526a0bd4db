"""`manage.py lift`: let everything go on after a stop. Whoever has this machine needs no login."""

from django.core.management.base import BaseCommand

from approvals.execution import kill_switch


class Command(BaseCommand):
    help = "Lift the stop: what waits can be released again."

    def handle(self, *args: object, **options: object) -> None:
        lifted = kill_switch.lift(by=None)
        self.stdout.write("Lifted. Everything goes on." if lifted else "Nothing was stopped.")
