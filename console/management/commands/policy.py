"""`manage.py policy`: the whole policy as a file, a file as the draft, and what the draft would have done."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from approvals.admin.rehearsals import movement_label
from approvals.models import Domain, PolicyVersion
from approvals.policy.authoring import documents, file_writer, files, rehearsal, versions
from approvals.policy.authoring.rehearsal import MOST, Period
from approvals.policy.authoring.versions import NotPublished


class Command(BaseCommand):
    help = "Export the policy as TOML, take such a file in as the draft, rehearse the draft on what happened."

    def add_arguments(self, parser: ArgumentParser) -> None:
        steps = parser.add_subparsers(dest="step", required=True)
        export = steps.add_parser("export", help="write the policy in force")
        export.add_argument("file", nargs="?", type=Path, help="where to; else to the terminal")
        export.add_argument("--number", type=int, metavar="N", help="an earlier version")
        export.add_argument("--draft", action="store_true", help="the draft")
        taken = steps.add_parser("import", help="make a file the draft")
        taken.add_argument("file", type=Path, help="- reads what is piped in")
        tried = steps.add_parser("rehearse", help="what the draft would have done to the past")
        tried.add_argument("--last", type=int, default=500, help=f"approvals, up to {MOST:,}")
        tried.add_argument("--json", action="store_true", help="print JSON, every movement in it")

    def handle(self, *, step: str, **options: object) -> None:
        does: dict[str, Callable[..., None]] = {
            "export": self.export,
            "import": self.take_in,
            "rehearse": self.rehearse,
        }
        does[step](**options)

    def export(self, *, file: Path | None, number: int | None, draft: bool, **options: object) -> None:
        """Write a version, or the draft."""
        policy, name = versions.draft().snapshot, "draft"
        if not draft:
            published = PolicyVersion.objects.all()
            version = (published.filter(number=number) if number else published).first()
            if version is None:
                raise CommandError("There is no such version." if number else "No policy was published yet.")
            policy, name = version.snapshot, str(version)
        domains = dict(Domain.objects.values_list("slug", "name"))
        text = file_writer.toml(policy, domains, heading=f"Policy of Assent, {name}.")
        if file is None:
            self.stdout.write(text, ending="")
        else:
            file.write_text(text, encoding="utf-8")
            self.stdout.write(f"{name} is in {file}.")

    def take_in(self, *, file: Path, **options: object) -> None:
        """Make a file the draft; it is published in the admin, by people."""
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
            draft = versions.import_file(text)
        except (OSError, UnicodeDecodeError, files.BadFile, NotPublished) as error:
            raise CommandError(str(error)) from error
        if not draft.differs:
            self.stdout.write("The file says what is in force already.")
            return
        for change in draft.changes:
            self.stdout.write(str(change))
        for obstacle in draft.obstacles:
            self.stdout.write(self.style.WARNING(f"To be mended before it is published: {obstacle}"))
        self.stdout.write("It is the draft now; publish it in the admin, under Policy, Versions.")

    def rehearse(self, *, last: int, json: bool, **options: object) -> None:
        """Say how many approvals would move, and how."""
        draft = versions.draft()
        if draft.base is None or not draft.differs:
            raise CommandError("Nothing differs from the policy in force.")
        if faults := documents.faults_of(draft.snapshot):
            raise CommandError("\n".join(f"{fault.pointer}: {fault.message}" for fault in faults))
        rehearsed = rehearsal.rehearse(draft.base.snapshot, draft.snapshot, Period(min(last, MOST)))
        if json:
            self.stdout.write(_document(rehearsed))
            return
        self.stdout.write(f"Of the last {rehearsed.examined:,} approvals {len(rehearsed.moved):,} would move.")
        for kind, count in rehearsed.kinds().most_common():
            self.stdout.write(f"{count:>7,}  {movement_label(kind)}")
        for moved in rehearsed.moved[:20]:
            self.stdout.write(f"{moved.approval_id}  {movement_label(moved.kind)}  {moved.why}")


def _document(rehearsed: rehearsal.RehearsalPart) -> str:
    moved = [
        {
            "approval": str(move.approval_id),
            "kind": move.kind,
            "rank": move.rank,
            "before": move.before.as_json(),
            "after": move.after.as_json(),
            "why": move.why,
        }
        for move in rehearsed.moved
    ]
    return json.dumps({"looked": rehearsed.examined, "left_out": rehearsed.left_out, "moved": moved}, indent=2)
