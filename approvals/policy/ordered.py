"""What may not stand as the stages of a rule, each with how to mend it; and stages in an admin's words."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from approvals.models import Rule
from approvals.policy.schema import Json

MOST = 5  # stages, and people in one of them
_KEYS = frozenset({"tier", "domain", "approvers"})


def rows_of(written: Json) -> Json:
    """Stages as they are stored, every key named; what is no list of stages as it came."""
    if not isinstance(written, Sequence) or isinstance(written, str) or not all(_is_stage(one) for one in written):
        return written
    return [
        {"tier": one["tier"], "domain": one.get("domain") or "", "approvers": one.get("approvers", 1)}
        for one in written
        if isinstance(one, Mapping)
    ]


def of_rule(columns: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """A rule's stages and its typed value: their shape, and that they are a person's to follow."""
    stages: Json = columns.get("stages") or []  # type: ignore[assignment]  # a column of JSON
    if columns.get("effect") != Rule.Effect.REVIEW:
        if stages:
            yield "stages", _("Only “Ask a person” leads through stages; leave this empty.")
        if columns.get("typed"):
            yield "typed", _("Only “Ask a person” asks to type a value; leave this off.")
    if not stages:
        return
    if not isinstance(stages, Sequence) or isinstance(stages, str):
        yield "stages", _("A list of stages: %(example)s.") % {"example": EXAMPLE}
        return
    wrong = [number for number, one in enumerate(stages, start=1) if not _is_stage(one)]
    for number in wrong:
        said = _("Stage %(number)d is a tier (1, 2, …), a field (empty: the action type's) and 1 to %(most)d people: ")
        yield "stages", said % {"number": number, "most": MOST} + EXAMPLE
    if len(stages) > MOST:
        yield "stages", _("At most %(most)d stages; leave some out.") % {"most": MOST}
    if wrong:
        return
    if columns.get("tier_id"):
        yield "tier", _("Each stage has its tier; leave this empty.")
    if columns.get("approvers") not in (None, 1):
        yield "approvers", _("Each stage says how many people; leave it at 1.")
    queues = [(one["tier"], one.get("domain") or "") for one in stages if isinstance(one, Mapping)]
    for number, queue in enumerate(queues, start=1):
        first = queues.index(queue) + 1
        if first < number:
            said = _("Stages %(first)d and %(number)d ask the same people; keep one, and give it more of them.")
            yield "stages", said % {"first": first, "number": number}


def of_names(stages: Json, levels: Collection[int], domains: Collection[str] | None = None) -> Iterator[str]:
    """Tiers and fields that there are not. `domains` None: those are made as they come."""
    for number, one in enumerate(stages if isinstance(stages, list | tuple) else (), start=1):
        if not isinstance(one, Mapping) or not _is_stage(one):
            continue
        if one["tier"] not in levels:
            said = _("Stage %(number)d: There is no active tier %(level)d; choose one of %(known)s.")
            known = ", ".join(map(str, sorted(levels))) or _("none")
            yield said % {"number": number, "level": one["tier"], "known": known}
        domain = one.get("domain") or ""
        if domains is not None and domain and domain not in domains:
            said = _("Stage %(number)d: There is no field “%(domain)s”; choose one of %(known)s, or leave it empty.")
            known = ", ".join(sorted(domains)) or _("none")
            yield said % {"number": number, "domain": domain, "known": known}


def in_words(stages: Json) -> str:
    """tier 1, then tier 2 legal (2 people)"""
    found = []
    for one in stages if isinstance(stages, list | tuple) else ():
        if not isinstance(one, Mapping):
            continue
        said = _("tier %(tier)s %(domain)s") % {"tier": one.get("tier"), "domain": one.get("domain") or ""}
        people = one.get("approvers") or 1
        if isinstance(people, int) and people > 1:
            said += " " + ngettext("(%(people)d person)", "(%(people)d people)", people) % {"people": people}
        found.append(" ".join(said.split()))
    return _(", then ").join(found) or _("nothing")


EXAMPLE = '[{"tier": 1}, {"tier": 2, "domain": "legal", "approvers": 2}]'


def _is_stage(one: Json) -> bool:
    if not isinstance(one, Mapping) or not {"tier"} <= set(one) <= _KEYS:
        return False
    tier, domain, people = one["tier"], one.get("domain", ""), one.get("approvers", 1)
    whole = all(isinstance(number, int) and not isinstance(number, bool) for number in (tier, people))
    return whole and tier > 0 and 1 <= people <= MOST and (domain is None or isinstance(domain, str))  # type: ignore[operator]  # both are whole
