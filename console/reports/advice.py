"""Advice in words: which line is crossed, by what count, and what one might look at."""

from django.utils.translation import gettext as _

from approvals.evidence.advice import Advice, CrossedLine, band_ends
from approvals.evidence.metrics import DECISION_LINE, ESCALATION_LINE
from console.reports.axes import DASH, length, percent


def sentence(hint: Advice) -> str:
    """One line of good practice that an action type crosses, as a sentence with its count and interval."""
    rate = hint.rate
    facts = {
        "title": hint.title,
        "share": percent(rate.share or 0),
        "part": rate.part,
        "whole": rate.whole,
        "interval": f"{percent(rate.low)} {DASH} {percent(rate.high)}",
    }
    if hint.line is CrossedLine.UNMODIFIED:
        text = _(
            "%(title)s: %(share)s approved unchanged (%(part)d of %(whole)d, interval %(interval)s). "
            "Fewer of them may need a person; or nobody reads them closely."
        )
    elif hint.line is CrossedLine.MODIFIED:
        text = _(
            "%(title)s: %(share)s modified (%(part)d of %(whole)d, interval %(interval)s). "
            "See which fields below: the agent may lack a rule or a fact."
        )
    elif hint.line is CrossedLine.REJECTED:
        low, high = band_ends(hint.band or 0)
        facts |= {"low": f"{low:.1f}", "high": f"{high:.1f}"}
        text = _(
            "%(title)s, confidence %(low)s to %(high)s: %(share)s rejected (%(part)d of %(whole)d, interval "
            "%(interval)s). Ask a person for more of this band."
        )
    elif hint.line is CrossedLine.ESCALATED:
        facts["line"] = percent(ESCALATION_LINE)
        text = _(
            "%(title)s: %(share)s escalated (%(part)d of %(whole)d, interval %(interval)s), above the %(line)s line. "
            "Start it in a higher tier, or give its tier more room."
        )
    else:
        facts |= {
            "median": length(hint.median.total_seconds()) if hint.median is not None else DASH,
            "line": length(DECISION_LINE.total_seconds()),
        }
        text = _(
            "%(title)s: half of %(whole)d decisions took longer than %(median)s, above the %(line)s line. "
            "More people, fewer asks or a standing approval would shorten it."
        )
    return text % facts
