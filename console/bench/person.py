"""A process in which a person approves the given requests one after the other, and says when each was committed."""

import json
import os
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
django.setup()

from django.db import transaction  # noqa: E402  # needs the settings

from approvals.decisions.card_version import card_version_of  # noqa: E402
from approvals.decisions.decide import decide  # noqa: E402
from approvals.models import Approval, User  # noqa: E402


def approve(approval: Approval, by: User) -> float:
    """Approve; the monotonic time right after the commit, before anybody has been told."""
    committed: list[float] = []
    with transaction.atomic():
        transaction.on_commit(lambda: committed.append(time.monotonic()))
        decide(card_version_of(approval), by=by, verdict="approve")
    return committed[0]


def main() -> None:
    job = json.loads(sys.stdin.readline())
    by = User.objects.get(username=job["reviewer"])
    approvals = {str(one.request_id): one for one in Approval.objects.filter(request_id__in=job["ids"])}
    began, committed = {}, {}
    for request in job["ids"]:
        began[request] = time.monotonic()
        committed[request] = approve(approvals[request], by)
        time.sleep(job["gap"])
    print(json.dumps({"began": began, "committed": committed}))


if __name__ == "__main__":
    main()
