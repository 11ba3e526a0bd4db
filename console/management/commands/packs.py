"""Ready policies for a field: list them, or load some and publish."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from approvals.policy import snapshot
from approvals.policy.authoring import packs, versions


class Command(BaseCommand):
    help = "Without names: list the packs. With names: load them over what is there, and publish a policy version."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="*", help="for example: finance commerce")

    @transaction.atomic
    def handle(self, *, names: list[str], **options: object) -> None:
        unknown = set(names) - set(packs.names())
        if unknown:
            raise CommandError(f"There is no pack {', '.join(sorted(unknown))}; there are {', '.join(packs.names())}.")
        if not names:
            for name in packs.names():
                pack = packs.read(name)
                self.stdout.write(f"{name}: {', '.join(sorted(pack.snapshot['types']))}")
            return
        snapshot.lock_policy_tables()
        draft = versions.draft()
        if draft.base is not None and draft.differs:
            # They would be put in force with it, without whoever wrote them having asked for that.
            raise CommandError(f"{len(draft.changes)} changes are not in force: publish or discard them first.")
        for name in names:
            packs.load(name)
        version = snapshot.publish(by=None, note=f"Loaded {', '.join(names)}.")
        self.stdout.write(f"Policy {version} is in force.")
