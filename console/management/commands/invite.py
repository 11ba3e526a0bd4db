"""`manage.py invite NAME`: print the link by which a person sets a password, where there is no mail."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from approvals.history import audit
from approvals.models import User
from approvals.people import invitations


class Command(BaseCommand):
    help = "Print the link by which a person sets a password: it works once, and for three days."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: object, username: str, **options: object) -> None:
        person = User.objects.filter(username=username, is_active=True).first()
        if person is None:
            raise CommandError(f"There is no active person {username!r}.")
        invitations.record(person, by=audit.COMMAND, sent="command line")
        self.stdout.write(invitations.link(person))
