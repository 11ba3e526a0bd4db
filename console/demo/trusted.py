"""An agent that has earned its next level, which waits to be signed, and a breaker that a manager opened.

Told like the past, with the clock pinned, through the functions that the product uses.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction

from approvals import clock
from approvals.autonomy import breakers
from approvals.db import times
from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import ActionType, Agent, ApprovalRequest, Breaker, User
from approvals.models.policy import Verdict
from approvals.requests import intake
from approvals.requests.submission import Item, Receipt, Submission

PREFIX = "demo/trusted/"
AGENT, ACTION, REVIEWER, MANAGER = "contract-assistant", "send_email", "ana", "mia"
DAYS, A_DAY, FIRST = 11, 8, 24  # so many days of so many mails, the first so many days ago
SUBJECTS = (
    "Signed copy of {contract}",
    "Invoice address for {contract}",
    "Meeting about {contract} on Thursday",
    "Renewal date of {contract}",
    "Contact person for {contract}",
    "Draft of the annex to {contract}",
    "Receipt of your notice for {contract}",
    "Questions about {contract}",
)
HELD_BACK = "campus-assistant", "message_student"
WHY = "It wrote to a whole course instead of one student, twice this week."


def already_played() -> bool:
    """True where it exists already."""
    return ApprovalRequest.objects.filter(key__startswith=PREFIX).exists()


@transaction.atomic
def play(cast: Mapping[str, User], agents: Mapping[str, Agent]) -> int:
    """Play it; returns how many mails were approved. Before anything waits: time passes for all alike."""
    today = times.now().replace(hour=9, minute=0, second=0, microsecond=0)
    done = 0
    for day in range(DAYS):
        moment = today - timedelta(days=FIRST - day)
        done += _mails(agents[AGENT], cast[REVIEWER], moment, first=day * A_DAY)
    with times.at(today - timedelta(days=2)):
        name, action = HELD_BACK
        held = Breaker(agent=agents[name], action_type=ActionType.objects.get(pk=action), why=WHY)
        held.trial_decisions, held.trial_wrong = breakers.TRIAL
        breakers.open_by_hand(held, by=cast[MANAGER])
    return done


def _mails(agent: Agent, reviewer: User, moment: datetime, *, first: int) -> int:
    """A set of mails, each of which is read and approved."""
    with times.at(moment):
        answers = intake.submit(agent, [_mail(first + number) for number in range(A_DAY)])
    approvals = [approval for answer in answers if isinstance(answer, Receipt) for approval in answer.approvals]
    for number, approval in enumerate(approvals, 1):
        with times.at(moment + timedelta(seconds=50 * number)):
            read = VerdictInput(viewed=timedelta(seconds=20 + number))
            decide(card_version_of(approval), by=reviewer, verdict=Verdict.APPROVE, verdict_input=read)
    with times.at(moment + timedelta(minutes=15)):
        clock.sweep()
    return len(approvals)


def _mail(number: int) -> Submission:
    contract = f"C-{2400 + 7 * number}"
    subject = SUBJECTS[number % len(SUBJECTS)].format(contract=contract)
    args = {
        "to": f"office-{number}@partner-{number % 23}.example",
        "subject": subject,
        "body": f"Good morning,\n\nplease find our note on {contract} in the attached letter.\n\nNorthwind, contracts",
    }
    item = Item(id="call_1", action=ACTION, args=args, summary=subject)
    return Submission(
        (item,), f"sha256:{number:064x}", key=f"{PREFIX}{number}", model="scripted", prompt_version="2026-09"
    )
