"""What the reasons of policy say: here a reason becomes a sentence, in the language of its reader (see `sentences`).

Names of action types, rules and tiers are the admin's own; what an agent wrote is shown plain.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import singledispatch

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from approvals.models import Approval, Decision
from approvals.models.verdict import RejectionReason
from approvals.policy import flag_reasons, reasons, rehearsal_reasons, signal_reasons
from approvals.policy.compiled_policy import Stage
from approvals.policy.precedent.flags import LABELS
from approvals.policy.reasons import Reason, Row
from approvals.policy.sentences import SENTENCES
from approvals.values.characters import plain
from approvals.values.schema import Json, NotCanonical, canonical

_SPENDERS = {"agent": _("this agent"), "run": _("this run")}
_PATHS = 3  # changed paths that a sentence about a repeat lists
_EDITS = 5  # fields that differ from a plan's step
_LONGEST = 60  # characters of a value

# What became of the twin of a duplicate, by its status. Agents read reasons: of a held verdict they do not know yet.
_TWIN = {
    "pending": _("is pending already"),
    "held": _("is pending already"),
    "released": _("was approved already"),
    "executed": _("was executed already"),
}
_CHARACTERS = {
    "bidi": _("text direction"),
    "zero_width": _("zero width"),
    "tag": _("invisible tags"),
    "control": _("control characters"),
    "mixed_script": _("look-alike alphabets in one word"),
}
_COUNTED = {2: _("Two"), 3: _("Three"), 4: _("Four"), 5: _("Five")}
_ORDINALS = ("", "First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth")


# --- What readers call


def sentences(rows: Iterable[Row]) -> list[str]:
    """What the reasons that a row keeps say."""
    return [sentence(reason) for reason in reasons.read(rows)]


def document(row: Row) -> dict[str, Json]:
    """A stored reason as it goes over the wire: its code, its parameters, and the sentence."""
    reason = Reason.of_json(row)
    return {"code": reason.code, "parameters": reason.parameters, "text": sentence(reason)}


def documents(rows: Iterable[Row]) -> list[Json]:
    """Stored reasons as they go over the wire."""
    return [document(row) for row in rows]


def shadow_document(shadowed: Mapping[str, Json] | None) -> dict[str, Json] | None:
    """What shadow mode did not ask, as it goes over the wire."""
    return None if shadowed is None else {**shadowed, "reasons": documents(_rows(shadowed["reasons"]))}


def message_of(approval: Approval, decision: Decision) -> str | None:
    """What the agent is told with a verdict: a person's words, or why policy refused, with a person's earlier ones."""
    if not decision.refused_by_policy:
        return decision.message
    text = "; ".join(sentences(approval.reasons))
    return (
        text + " " + _("It was said then: “{message}”").format(message=decision.message) if decision.message else text
    )


def beyond_standing_approval(at: datetime, outcome: str, faults: Iterable[Reason]) -> str:
    """The text of the incident that a use raises which its standing approval did not cover."""
    text = _("Ran unasked at {at:%Y-%m-%d %H:%M:%S} UTC with {outcome}, beyond its standing approval.")
    return " ".join([text.format(at=at, outcome=outcome or _("an unknown outcome")), *map(sentence, faults)])


@singledispatch
def sentence(reason: Reason) -> str:
    """What a reason says."""
    return str(SENTENCES[type(reason)]).format(**_parameters(reason))


def span(of: timedelta) -> str:
    """1 hour 30 minutes, 45 seconds; the two largest units, and nothing smaller than a second."""
    parts, left = [], max(int(of.total_seconds()), 0)
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {unit}" if count == 1 else f"{count} {unit}s")
    return " ".join(parts[:2]) or "0 seconds"


_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


# --- Reasons whose sentence depends on their parameters


@sentence.register
def _spending(reason: reasons.SpendingAboveLimit) -> str:
    return str(SENTENCES[type(reason)]).format(**{**_parameters(reason), "of": _SPENDERS[reason.of]})


@sentence.register
def _answered(reason: reasons.AnsweredBefore) -> str:
    facts = {"day": reason.day, "reason": _rejected_for(reason.reason), "changed": _changed(reason.changed)}
    return str(SENTENCES[type(reason)]).format(**facts)


@sentence.register
def _in_stages(reason: reasons.InStages) -> str:
    number = _COUNTED.get(len(reason.stages), len(reason.stages))
    return _("{number} stages: {stages}.").format(number=number, stages=_shown(reason.stages))


@sentence.register
def _no_longer(reason: reasons.NoLonger) -> str:
    return str(SENTENCES[type(reason)]).format(reasons=" ".join(map(sentence, reason.reasons)))


@sentence.register
def _for_capacity(reason: reasons.QueueLacks) -> str:
    if reason.limit is None:
        lack = _("Nobody is on duty in tier {tier} {domain}")
    else:
        lack = _("Tier {tier} {domain} is full ({waiting} of {limit} wait)")
    why = lack.format(**_parameters(reason))
    if not isinstance(reason, reasons.RefusedForCapacity):
        text = _("{why}; this can be undone and is of low impact, so it passes and is looked at afterwards.")
        return text.format(why=why)
    if reason.back_at is None:
        return _("{why}, so this was not taken; come back later.").format(why=why)
    text = _("{why}, so this was not taken; come back after {at:%Y-%m-%d %H:%M} UTC.")
    return text.format(why=why, at=reason.back_at)


@sentence.register
def _duplicate(flag: flag_reasons.Duplicate) -> str:
    if flag.approval is None:
        return str(_("The same action is in this submission already"))
    return _("The same action {status} ({approval})").format(status=_TWIN[flag.status], approval=flag.approval)


@sentence.register
def _unusual_amount(flag: flag_reasons.UnusualAmount) -> str:
    text = _("{ratio:,.1f} times the usual value of {usual:,.2f} (median of the last {count} approved)")
    if flag.key:
        text = _("{ratio:,.1f} times the usual value for {key} of {usual:,.2f} (median of the last {count} approved)")
    return text.format(**{**_parameters(flag), "key": flag.key.replace(":", " ", 1)})


@sentence.register
def _frequency(flag: flag_reasons.Frequency) -> str:
    if flag.uncounted:
        return _("More than {nth} times for {subject} in {window}: {action}").format(**_parameters(flag))
    text = _("{nth} time for {subject} in {window}: {action}")
    return text.format(**{**_parameters(flag), "nth": ordinal(flag.nth)})


@sentence.register
def _burst(flag: flag_reasons.Burst) -> str:
    count = _("More than {count}").format(count=flag.count) if flag.uncounted else str(flag.count)
    text = _("{count} proposals of {action} by {agent} in {window}")
    if flag.alike:
        text = _("{count} alike proposals of {action} by {agent} in {window}")
    return text.format(**{**_parameters(flag), "count": count})


@sentence.register
def _near_repeat(flag: flag_reasons.NearRepeat) -> str:
    text = _("{nth} attempt at what policy refused on {day}; {changed}")
    if flag.by_person:
        text = _("{nth} attempt at what was rejected on {day}{reason}; {changed}")
    nth = _ORDINALS[flag.attempt] if flag.attempt < len(_ORDINALS) else ordinal(flag.attempt)
    return text.format(nth=nth, day=flag.day, reason=_rejected_for(flag.reason), changed=_changed(flag.changed))


@sentence.register
def _hidden_characters(flag: flag_reasons.HiddenCharacters) -> str:
    kinds = ", ".join(str(_CHARACTERS[kind]) for kind in flag.kinds)
    text = _("Hidden or misleading characters ({kinds}) in {where}")
    return text.format(kinds=kinds, where=_listed(flag.where, flag.more))


@sentence.register
def _numbers(flag: flag_reasons.NumbersNotInArguments) -> str:
    text = _("Numbers in the summary that the arguments do not contain: {numbers}")
    return text.format(numbers=_listed(flag.numbers, flag.more))


@sentence.register
def _recipients(flag: flag_reasons.RecipientsNotInArguments) -> str:
    text = _("Recipients in the summary that the arguments do not contain: {recipients}")
    return text.format(recipients=_listed(flag.recipients, flag.more))


@sentence.register
def _deviates(flag: flag_reasons.Deviates) -> str:
    if flag.step is None:
        return str(_("Deviates from the approved plan: no step of it is like this"))
    if flag.waits:
        why = _("it comes after {names}").format(names=", ".join(map(plain, flag.waits)))
    elif flag.used:
        why = str(_("it has run already"))
    elif flag.action:
        why = _("the step is {action}").format(action=plain(flag.action))
    elif flag.differs:
        edits = [_edit(edit) for edit in flag.differs[:_EDITS]]
        why = _listed(edits, len(flag.differs) - len(edits), "; ")
    else:
        why = str(_("it concerns something else, or comes with other files"))
    text = _("Deviates from the approved plan, step {number} ({step}): {why}")
    return text.format(number=flag.number, step=plain(flag.step)[:_LONGEST], why=why)


@sentence.register
def _flag_is_up(reason: rehearsal_reasons.FlagIsUp) -> str:
    return _("Flag: {flag}.").format(flag=LABELS.get(reason.flag, reason.flag))


@sentence.register
def _unfit(reason: rehearsal_reasons.ArgumentsUnfit) -> str:
    fields = ", ".join(reason.fields) or _("a field that it does not know")
    return _("The arguments do not fit the schema: {fields}.").format(fields=fields)


@sentence.register
def _precedent(reason: signal_reasons.Precedent) -> str:
    if not reason.decided:
        return str(_("no decisions by people yet; a newcomer counts as one approval in four"))
    return _("{approved} of the last {decided} approved unchanged by people").format(**_parameters(reason))


@sentence.register
def _alignment(reason: signal_reasons.Alignment) -> str:
    if not reason.parsed:
        return str(_("the arguments did not parse"))
    if not reason.rules and not reason.flags:
        return str(_("arguments fit the schema, no rule matched"))
    return _("rules that matched: {rules}, flags: {flags}").format(**_parameters(reason))


# --- What stands in a sentence


def _parameters(reason: Reason) -> dict[str, object]:
    return {name: _shown(getattr(reason, name)) for name in reasons.parameters_of(type(reason))}


def _shown(value: object) -> object:
    """A parameter as a sentence shows it; numbers, days and times as they are, since each sentence says how."""
    if isinstance(value, timedelta):
        return span(value)
    if isinstance(value, Reason):
        return sentence(value)
    if isinstance(value, tuple):
        stages = [_stage(part) for part in value if isinstance(part, Stage)]
        return str(_(", then ")).join(stages) if stages else ", ".join(map(str, value))
    return value


def _stage(stage: Stage) -> str:
    """tier 1 commerce; tier 2 legal (2 people)"""
    text = ngettext("tier {tier} {domain}", "tier {tier} {domain} ({approvers} people)", stage.approvers)
    return text.format(tier=stage.tier, domain=stage.domain, approvers=stage.approvers)


def _rejected_for(reason: str) -> str:
    """The reason that was picked. What a person wrote beside it is content, and not said in a reason."""
    if reason not in RejectionReason:
        return ""
    label = str(RejectionReason(reason).label)
    return f" ({label[:1].lower()}{label[1:]})"


def _changed(paths: Sequence[str]) -> str:
    shown = [f"`{plain(path.removeprefix('/'))[:_LONGEST]}`" for path in paths[:_PATHS]]
    return _("only {paths} changed").format(paths=", ".join(shown)) if shown else str(_("nothing changed"))


def _listed(items: Sequence[str], more: int, between: str = ", ") -> str:
    listed = between.join(items)
    return _("{listed} and {count} more").format(listed=listed, count=more) if more else listed


def _edit(edit: Row) -> str:
    values = {name: _value(edit[name]) if name in edit else _("nothing") for name in ("from", "to")}
    text = _("{path} is {now}, approved was {before}")
    return text.format(path=plain(str(edit["path"])), now=values["to"], before=values["from"])


def _value(value: Json) -> str:
    try:
        text = value if isinstance(value, str) else canonical(value).decode()
    except NotCanonical:
        return "?"
    shown = plain(text)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def ordinal(number: int) -> str:
    """2 is 2nd, 11 is 11th, 23 is 23rd."""
    if number % 100 in (11, 12, 13):
        return f"{number}th"
    return f"{number}" + {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")


def _rows(value: Json) -> list[Row]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list | tuple) else []
