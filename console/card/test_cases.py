"""What a test case was, once it has its verdict."""

from django.utils.translation import gettext as _

from approvals.models import SeededCase
from approvals.models.policy import Verdict
from approvals.models.seeded import CaseOutcome


def sentence(case: SeededCase) -> str:
    """Told to whoever decided it, right after: what would have been right, and whether it was."""
    right = Verdict.REJECT.label if case.fault else Verdict.APPROVE.label
    return _("That was a test case: the right answer was %(right)s. %(ending)s") % {
        "right": right,
        "ending": _ending(case),
    }


def notice(case: SeededCase) -> str:
    """Told to everybody who opens its card afterwards."""
    return _("This was a test case: no agent proposed it, and nothing ran. %(what)s %(outcome)s.") % {
        "what": _what(case),
        "outcome": case.get_outcome_display(),
    }


def _ending(case: SeededCase) -> str:
    match case.outcome:
        case CaseOutcome.FOUND:
            return _("You found it.")
        case CaseOutcome.PASSED:
            return _("You saw that it was fine.")
        case _:
            return _what(case)


def _what(case: SeededCase) -> str:
    if not case.fault:
        return _("There was nothing wrong with it.")
    return _("The fault: %s.") % case.get_fault_display()
