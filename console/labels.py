"""The console's words for what the domain names by codes."""

from django.utils.translation import gettext_lazy as _

from approvals.models import Outcome, PostReview
from approvals.models.policy import Verdict

# Done, as the timeline and a settled row say it; "by Ana" follows.
DONE = {
    Verdict.APPROVE.value: _("Approved"),
    Verdict.MODIFY.value: _("Approved with changes"),
    Verdict.REJECT.value: _("Rejected"),
    Verdict.ANSWER.value: _("Answered"),
    Verdict.SKIP.value: _("Skipped"),
}

# What was held when its agent withdrew it, or its run was ended.
HELD = {
    Verdict.APPROVE.value: _("while an approval was held"),
    Verdict.MODIFY.value: _("while an approval was held"),
    Verdict.REJECT.value: _("while a rejection was held"),
    Verdict.ANSWER.value: _("while an answer was held"),
    Verdict.SKIP.value: _("while a verdict was held"),
}

# What became of it, as the timeline says it.
OUTCOMES = {result.value: result.label for result in Outcome.Result}

# What was found on looking afterwards, and why anybody looks, as the timeline says it.
FINDINGS = {
    PostReview.Finding.OK.value: _("found OK"),
    PostReview.Finding.FLAGGED.value: _("a problem flagged"),
    PostReview.Finding.LAPSED.value: _("nobody stopped it in time"),
    PostReview.Finding.RECALLED.value: _("recalled before it ran"),
}
WHYS = {
    PostReview.Why.SAMPLED.value: _("drawn as a sample"),
    PostReview.Why.VETO.value: _("goes on unless stopped"),
    PostReview.Why.REVIEW.value: _("runs ahead of its review"),
    PostReview.Why.DEGRADED.value: _("because nobody could be asked"),
}

# The parts of a proposal that an amendment can change, beside its arguments.
PARTS = {
    "summary": _("summary"),
    "reasoning": _("reasoning"),
    "context": _("context"),
    "current": _("present state"),
    "preconditions": _("preconditions"),
    "alternatives": _("alternatives"),
    "signals": _("signals"),
    "attachments": _("files"),
}

ACTORS = {"clock": _("the clock"), "policy": _("policy")}

WARNINGS = {
    "bidi": _("changes the reading direction"),
    "zero_width": _("invisible characters"),
    "tag": _("invisible characters"),
    "control": _("control characters"),
    "mixed_script": _("mixes look-alike alphabets"),
}

# Reason codes of a routing.
CODES = {
    "high_risk": _("High risk"),
    "low_confidence": _("Low confidence"),
    "cost_threshold": _("Spending"),
    "periodic_checkpoint": _("Checkpoint"),
    "policy_violation": _("Against policy"),
    "fixed": _("Always asks"),
}
