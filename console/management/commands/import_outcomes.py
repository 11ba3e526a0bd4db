"""`manage.py import_outcomes FILE --by NAME`: outcomes and incidents from a CSV file, all of it or nothing."""

from argparse import ArgumentParser
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from approvals.errors import NotAllowed
from approvals.execution import outcome_import
from approvals.models import User


class Command(BaseCommand):
    help = "Import outcomes and incidents from a CSV file, as a manager does on the page."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--by", required=True, metavar="NAME", help="user name of the manager who answers for it")
        parser.add_argument("--check", action="store_true", help="write nothing")

    def handle(self, *, file: Path, by: str, check: bool, **options: object) -> None:
        person = User.objects.filter(username=by).first()
        if person is None:
            raise CommandError(f"There is no {by}.")
        content = file.read_bytes()
        try:
            checked = outcome_import.check(content, by=person)
            if checked.faults:
                raise CommandError("\n".join(f"Line {fault.line}: {fault.message}" for fault in checked.faults))
            if not check:
                checked = outcome_import.take(content, by=person)
        except NotAllowed as error:
            raise CommandError(f"{by} is no manager.") from error
        except outcome_import.BadImport as error:
            raise CommandError("\n".join(f"Line {fault.line}: {fault.message}" for fault in error.faults)) from error
        verb = "would be written" if check else "written"
        self.stdout.write(
            f"{checked.outcomes} outcomes and {checked.incidents} incidents {verb}; "
            f"{checked.unchanged} lines were there already."
        )
