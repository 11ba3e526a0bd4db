"""Shows how the tiers share a deadline while an admin types it."""

from collections.abc import Mapping
from datetime import timedelta

from django.utils.translation import gettext as _

from approvals.decisions.escalation import chain, sharing_deadline
from approvals.models import DomainTerms, Tier
from approvals.models.policy import GOING_ON, Gate, Silence
from approvals.policy import hours, messages
from approvals.policy.compiled_policy import TierPolicy
from approvals.values import durations

LONGEST = timedelta(days=366)


def shares(form: Mapping[str, str]) -> str:
    """One sentence of what is typed so far (expires_after, tier, domain, gate, on_timeout), or nothing."""
    try:
        limit, level = durations.read(form.get("expires_after", "")), int(form.get("tier", ""))
    except ValueError:
        return ""
    tiers = _tiers(form.get("domain", ""))
    if not timedelta(0) < limit <= LONGEST or level not in tiers:
        return ""
    silence = _silence(form)
    alone = silence in GOING_ON
    kept = sharing_deadline(tiers, level, silence)
    # Nothing ends what waits in a work queue, so there each tier has its own time.
    parts = hours.shares(chain(kept, level), None if form.get("gate") == Gate.ASYNC else limit)
    if any(span < timedelta(seconds=1) for _tier, span in parts):
        return ""  # it is being typed
    listed = ", ".join(f"{tier.name} {messages.span(span)}" for tier, span in parts)
    if alone:
        return _("%(shares)s; nobody above is asked, since the agent then goes on.") % {"shares": listed}
    if silence == Silence.ESCALATE and len(chain(tiers, level)) > 1:
        last = chain(tiers, level)[-1]
        facts = {"shares": listed, "last": f"{last.name} {messages.span(last.sla)}"}
        return _("If nobody answers: %(shares)s; after the deadline %(last)s more.") % facts
    return _("If nobody answers: %(shares)s.") % {"shares": listed}


def _silence(form: Mapping[str, str]) -> str:
    """A soft gate goes on at its deadline, whatever is chosen."""
    return Silence.APPROVE if form.get("gate") == Gate.SOFT else form.get("on_timeout", "")


def _tiers(domain: str) -> dict[int, TierPolicy]:
    """The tiers of the draft in a domain, as far as time goes."""
    none = timedelta(0)
    slas = dict(DomainTerms.objects.filter(domain=domain).values_list("tier", "sla"))
    return {
        tier.level: TierPolicy(
            tier.level, tier.name, tier.ceiling, slas.get(tier.level, tier.sla), none, none, tier.next_id
        )
        for tier in Tier.objects.filter(active=True)
    }
