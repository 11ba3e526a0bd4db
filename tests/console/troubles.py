"""What comes between a person and the verdict: each leaves the page at rest, and says whether it came to be."""

import re
from dataclasses import replace

from playwright.sync_api import expect

from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Agent, Approval, User
from approvals.requests.amend import amend
from tests.console.reviewer import Person, mark_of, steps
from tests.console.test_presses import HeldAnswers


def revise(approval: Approval, robot: Agent) -> None:
    """The agent makes something else of it, with another mark."""
    now = load(approval.pk)
    mark = mark_of(now.proposal).rsplit("-", 1)[0] + f"-{now.revision + 1}"
    change = {
        "question": lambda item: replace(item, prompt=f"Which of {mark}?"),
        "plan": lambda item: replace(item, steps=steps(mark)),
        "action": lambda item: replace(item, args={**item.args, "order": mark}),
    }[now.item_type]
    amend(approval.pk, change, by=robot)


# --- What comes between: each leaves the page at rest, and says whether it came to be what it is


def nothing_special(person: Person, kind: str, approval: Approval, **_others: object) -> bool:
    person.act(kind)
    person.rest()
    return True


def hurry(person: Person, kind: str, approval: Approval, **_others: object) -> bool:
    """Keys before the answer has come, and before the next card has stood still."""
    person.act(kind)
    person.press("a", "p", "r")
    person.rest()
    return True


def answer_late(person: Person, kind: str, approval: Approval, **_others: object) -> bool:
    """The answer comes when the person is writing on another card."""
    answers = HeldAnswers(person.page)
    person.act(kind)
    person.rest(answered=False)
    person.close_panel()
    person.press("j")
    person.rest(answered=False)
    elsewhere = person.card
    typed = person.start_to_reject() if elsewhere != str(approval.pk) else ""
    came = answers.let_go()
    answers.end()
    person.rest()
    if typed:
        assert person.card == elsewhere
        expect(person.page.locator("#reject-message")).to_have_value(re.compile(typed))
        person.close_panel()
    return bool(typed and came)


def lose_answer(person: Person, kind: str, approval: Approval, **_others: object) -> bool:
    """The answer never comes, and what was recorded is looked up."""
    answers = HeldAnswers(person.page)
    answers.lose = True
    person.act(kind)
    person.rest()
    answers.end()
    return answers.lost > 0


def amended(person: Person, kind: str, approval: Approval, *, robot: Agent, **_others: object) -> bool:
    """The agent amends what is being read, and the page hears of it, also while one decides."""
    revise(approval, robot)
    if person.dice.random() < 0.5:
        person.act(kind)
    expect(person.page.locator("#card[data-locked]")).to_be_visible()
    person.rest()
    return True


def amended_unheard(person: Person, kind: str, approval: Approval, *, robot: Agent, **_others: object) -> bool:
    """The same with the socket cut: only the answer can say so."""
    person.socket.cut()
    revise(approval, robot)
    person.act(kind)
    person.rest()
    person.socket.mend()
    return True


def colleague_decides(person: Person, kind: str, approval: Approval, *, colleague: User, **_others: object) -> bool:
    """Somebody else decides it while one is writing."""
    typed = person.start_to_reject()
    verdict_input = VerdictInput(message="Mine.")
    decide(card_version_of(load(approval.pk)), by=colleague, verdict="reject", verdict_input=verdict_input)
    person.press("Control+Enter")
    person.rest()
    return bool(typed)


def reload(person: Person, kind: str, approval: Approval, **_others: object) -> bool:
    """The page is loaded anew in the middle of a sentence."""
    typed = person.start_to_reject()
    person.note()
    person.page.reload()
    person.rest()
    return bool(typed)


def leave_mid_sentence(person: Person, kind: str, approval: Approval, **_others: object) -> bool:
    """Half a sentence, and on to the next."""
    typed = person.start_to_reject()
    person.close_panel()
    person.press("j")
    person.rest()
    return bool(typed)


TROUBLES = [nothing_special] * 16 + [
    hurry,
    answer_late,
    lose_answer,
    amended,
    amended_unheard,
    colleague_decides,
    reload,
    leave_mid_sentence,
]
