"""How long a rehearsal takes: `python -m console.bench.rehearse N` rehearses a draft that touches all of them, as JSON.

The draft is taken back in the end.
"""

import json
import os
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
django.setup()

from django.db import transaction  # noqa: E402  # the models need the applications

from approvals.models import ActionType, Rehearsal, Rule, Tier  # noqa: E402
from approvals.policy.authoring import rehearsal_jobs  # noqa: E402
from approvals.policy.authoring.rehearsal import Period  # noqa: E402

RULES = 10


@transaction.atomic
def rehearse(last: int) -> dict[str, float]:
    """Every action type by its risk, ten rules of all more, and another ceiling: nothing can be left unread."""
    ActionType.objects.exclude(reversibility="irreversible").update(strategy="risk")
    Tier.objects.filter(level=1).update(ceiling=400)
    for number in range(RULES):
        when = f"value > {number * 100 + 500}.0 && agent != 'nobody-{number}'"
        Rule.objects.create(name=f"bench {number}", expression=when, message="It is much.", effect="review")
    began = time.monotonic()
    rehearsal = rehearsal_jobs.ask(Period(last), by=None)
    rehearsal_jobs.carry_out(rehearsal.pk)
    took = time.monotonic() - began
    done = Rehearsal.objects.get(pk=rehearsal.pk)
    transaction.set_rollback(True)
    return {"seconds": took, "looked": done.looked, "moved": done.moved}


if __name__ == "__main__":
    print(json.dumps(rehearse(int(sys.argv[1]))))
