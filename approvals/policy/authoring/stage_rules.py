"""Validates the stages of a rule, and says them in an admin's words."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from approvals.models import Rule
from approvals.policy.rules.paths import not_known_sentence

MOST = 5  # stages, and people in one of them


def of_rule(columns: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A rule's stages and its typed value, as far as the rule alone can tell."""
    stages: Sequence[Mapping[str, Any]] = columns.get("stages") or ()
    if columns.get("effect") != Rule.Effect.REVIEW:
        if stages:
            yield "stages", _("Only “Ask a person” has stages; remove them.")
        if columns.get("typed"):
            yield "typed", _("Only “Ask a person” has a confirmation to type; leave this off.")
    if len(stages) > MOST:
        yield "stages", _("At most %(most)d stages; put people of one tier into one stage.") % {"most": MOST}
    if stages and columns.get("tier_id"):
        yield "tier", _("Each stage has its tier; leave this empty.")
    if stages and columns.get("approvers") not in (None, 1):
        yield "approvers", _("Each stage says how many people; leave it at 1.")
    queues = [(one.get("tier"), one.get("domain") or "") for one in stages]
    for number, (stage, queue) in enumerate(zip(stages, queues, strict=True), start=1):
        if not 1 <= stage.get("approvers", 1) <= MOST:
            message = _("Stage %(number)d: 1 to %(most)d people approve.")
            yield "stages", message % {"number": number, "most": MOST}
        first = queues.index(queue) + 1
        if first < number:
            message = _("Stages %(first)d and %(number)d ask the same people; keep one, and give it more of them.")
            yield "stages", message % {"first": first, "number": number}


def of_names(
    stages: Sequence[Mapping[str, Any]], levels: Collection[int], domains: Collection[str] | None
) -> Iterator[tuple[str, str]]:
    """Tiers and domains that there are not. `domains` None: whatever is named becomes one."""
    for number, stage in enumerate(stages, start=1):
        message = _("Stage %(number)d: %(complaint)s")
        if stage["tier"] not in levels:
            active_levels = ", ".join(map(str, sorted(levels))) or _("none")
            complaint = _("There is no active tier %(level)d; choose one of %(known)s.")
            complaint %= {"level": stage["tier"], "known": active_levels}
            yield "stages", message % {"number": number, "complaint": complaint}
        if stage.get("domain") and domains is not None and stage["domain"] not in domains:
            yield (
                "stages",
                message % {"number": number, "complaint": not_known_sentence(stage["domain"], sorted(domains))},
            )


def in_words(stages: object) -> str:
    """tier 1, then tier 2 of legal (2 people)"""
    parts = []
    for stage in stages if isinstance(stages, list | tuple) else ():
        tier, people = stage.get("tier"), stage.get("approvers") or 1
        part = _("tier %(tier)s") % {"tier": tier}
        if stage.get("domain"):
            part = _("tier %(tier)s of %(domain)s") % {"tier": tier, "domain": stage["domain"]}
        if people > 1:
            part += " " + ngettext("(%(people)d person)", "(%(people)d people)", people) % {"people": people}
        parts.append(part)
    return _(", then ").join(parts) or _("nothing")
