"""What lies in the database that is measured: every pack's policy, reviewers with sessions, agents with keys.

`python -m console.bench.seed` makes it and says the secrets; with a number, that many approvals more wait.
"""

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
django.setup()

from datetime import timedelta  # noqa: E402  # the models need the applications

from django.conf import settings  # noqa: E402
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402

from agents import keys  # noqa: E402
from approvals.models import ActionType, Agent, Membership, Tier, User  # noqa: E402
from approvals.policy import snapshot  # noqa: E402
from approvals.policy.authoring import packs  # noqa: E402
from approvals.requests import intake  # noqa: E402
from approvals.requests.submission import Item, Submission  # noqa: E402

AGENTS, REVIEWERS = 32, 10
ACTION = "bench_refund"


def prepare() -> dict[str, object]:
    """Make everything; secrets of agents and reviewers."""
    for name in packs.names():
        packs.load(name)
    ActionType.objects.update_or_create(
        name=ACTION,
        defaults={
            "title": "Refund",
            "headline": "refund {amount} {currency} to order {order}",
            "domain_id": "general",
            "schema": {
                "type": "object",
                "required": ["order", "amount", "currency"],
                "properties": {
                    "order": {"type": "string", "maxLength": 40},
                    "amount": {"type": "string", "pattern": r"^\d{1,9}\.\d{2}$"},
                    "currency": {"enum": ["EUR", "USD"]},
                },
                "additionalProperties": False,
            },
            "reversibility": "partial",
            "strategy": "always",
            "gate": "hard",
            "tier_id": 1,
            "level": 2,
            "value_path": "amount",
            "currency_path": "currency",
            "subject_path": "order",
            "subject_kind": "order",
        },
    )
    # Without an undo window a verdict releases at once, so that the release can be timed by who decides.
    Tier.objects.update(hold=timedelta(0))
    snapshot.publish(by=None, note="bench")
    people = [reviewer(number) for number in range(REVIEWERS)]
    agents = [Agent.objects.create(name=f"bench-{number:02d}") for number in range(AGENTS)]
    return {
        "cookies": [cookie(person) for person in people],
        "reviewer": people[0].username,
        "keys": [keys.issue(agent=agent, name="bench")[1] for agent in agents],
    }


def reviewer(number: int) -> User:
    """One of the frontline, for every domain."""
    person = User.objects.create_user(f"reviewer{number}", f"reviewer{number}@bench.example")
    Membership.objects.create(user=person, tier_id=1, domain=None)
    return person


def cookie(person: User) -> str:
    """A session of somebody who has logged in."""
    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.save()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def wait(pending: int) -> None:
    """Submit approvals that nobody decides, in sets."""
    agent = Agent.objects.get(name="bench-00")
    for start in range(0, pending, 250):
        numbers = range(start, min(start + 250, pending))
        intake.submit(agent, [submission(number) for number in numbers])


def submission(number: int) -> Submission:
    """One refund that waits a day."""
    args = {"order": f"page-{number}", "amount": f"{number % 900}.50", "currency": "EUR"}
    item = Item(id="call_1", action=ACTION, args=args, summary="Refund the order.", reasoning="It arrived broken.")
    return Submission(items=(item,), content_hash=f"sha256:{number:064x}", timeout=timedelta(days=1))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        wait(int(sys.argv[1]))
    else:
        print(json.dumps(prepare()))
