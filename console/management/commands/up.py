"""Lists `up` among the commands; manage.py itself runs it, without Django."""

import argparse

from django.core.management.base import BaseCommand, CommandError

from console.startup import up
from console.startup.terminal import Refused


class Command(BaseCommand):
    help = "Install and start everything: servers, web, worker, beat, clock and the demo."
    requires_system_checks = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        up.add_arguments(parser)

    def handle(self, **options: object) -> None:
        try:
            up.run(argparse.Namespace(**options))
        except Refused as refused:
            raise CommandError(str(refused)) from None
