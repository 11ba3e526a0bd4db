"""`manage.py prepare`: what has to be done once before the processes of a new version start."""

import os
from argparse import ArgumentParser

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from approvals.models import PolicyVersion
from approvals.policy.authoring import packs


class Command(BaseCommand):
    help = "Migrate the database, collect the static files, publish a first policy; in a demo, load its content."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--phases", type=int, help="open file number to which the names of the phases are written")

    def handle(self, *, phases: int | None, **options: object) -> None:
        def begin(name: str) -> None:
            if phases is not None:
                os.write(phases, f"{name}\n".encode())

        call_command("migrate", interactive=False)
        begin("static files")
        call_command("collectstatic", interactive=False, verbosity=0)
        if not PolicyVersion.objects.exists():
            call_command("packs", packs.CORE, verbosity=0)
        if settings.ASSENT_DEMO:
            begin("demo content")
            call_command("demo", data=settings.ASSENT_DATA)
