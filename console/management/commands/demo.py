"""`manage.py demo`: people, agents, waiting requests and a past to look at. A second run adds nothing."""

from argparse import ArgumentParser
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import transaction

from approvals import weekly_summary
from approvals.db import times
from approvals.history import seal
from approvals.models import ActionType
from approvals.policy import snapshot
from approvals.policy.authoring import packs
from console.demo import courses, past, patterns, people, trusted, waiting
from console.demo.keyring import Keyring


class Command(BaseCommand):
    help = "Load demo content, and write passwords, tokens and keys to demo.json in the data directory."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--data", type=Path, default=settings.ASSENT_DATA, help="data directory")

    def handle(self, *, data: Path, **options: object) -> None:
        keyring = Keyring.read(data)
        with transaction.atomic():
            loaded = _policy()
            cast, agents = people.ensure(keyring)
        if not past.already_played():
            past.play(cast, agents, patterns.all_patterns(loaded))
        if not trusted.already_played():
            trusted.play(cast, agents)
        if not courses.already_played():
            courses.play(cast, agents)
        waiting.submit(agents)
        courses.play_waiting_run(cast, agents)
        while seal.seal(now=times.now(), everything=True):
            pass  # a newcomer's first feed has everything that was made up
        weekly_summary.make_and_send(now=times.now())  # and so have the reports
        keyring.write(
            data, url=settings.ASSENT_BASE_URL, roles={person.username: person.role for person in people.PEOPLE}
        )


def _policy() -> list[packs.Pack]:
    """Load the packs that are not there, and publish; what an administrator has changed since stays."""
    read = [packs.read(name) for name in packs.names()]
    there = set(ActionType.objects.values_list("pack", flat=True))
    missing = [pack.name for pack in read if pack.name not in there]
    for name in missing:
        packs.load(name)
    if missing:
        snapshot.publish(by=None, note=f"packs: {', '.join(missing)}")
    return read
