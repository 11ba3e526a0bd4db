"""Validates policy, whether it comes from a form, a file or a table; each fault says how to mend it.

`of_…` look at the columns of one row and name the column; `faults` looks at a whole snapshot and names the place.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise
from typing import Any, TypeAlias
from zoneinfo import available_timezones

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.models import Rule
from approvals.models.people import WEEK
from approvals.models.policy import (
    GOING_ON,
    Accompanying,
    Gate,
    OptimisticExecution,
    OverloadMode,
    Reversibility,
    Silence,
    Strategy,
    Verdict,
)
from approvals.policy import checkpoints
from approvals.policy.authoring import documents, stage_rules
from approvals.policy.authoring.documents import Row
from approvals.policy.checkpoints import LONGEST_WINDOW
from approvals.policy.precedent.flags import LABELS
from approvals.policy.precedent.reader import LOOK_BACK
from approvals.policy.precedent.repeats import REJECTIONS
from approvals.policy.precedent.signals import WEIGHTS
from approvals.policy.rules import fit
from approvals.policy.rules.expressions import BadExpression, Expression, compiled_expression
from approvals.policy.rules.paths import UnknownField, not_known_sentence, placeholders, subschema
from approvals.values.schema import Fault, Json, pointer_of

# Columns of one row by name; one that is missing was found faulty before. Complaints: (column, sentence).
Columns: TypeAlias = Mapping[str, Any]
Complaints: TypeAlias = Iterator[tuple[str, str]]

unknown = not_known_sentence
LONGEST_SLA = timedelta(days=90)
MOST_WAITING = 10_000
TWICE = gettext_lazy("There are two rows for this queue: keep one of them.")
SILENT = (Silence.APPROVE, Silence.PROCEED, Silence.BEST_GUESS)


def faults(snapshot: Row) -> list[Fault]:
    """Everything that keeps a snapshot from being policy, staffing aside: /types/refund/rules/big, and the mend."""
    all_faults = documents.faults_of(snapshot)
    levels = {int(level) for level in snapshot["tiers"]}
    for level, row in snapshot["tiers"].items():
        complaints = of_tier({"level": int(level), **documents.tier_columns(row)}, _followers(snapshot))
        all_faults += _faults_at(["tiers", level], [*complaints, *_leading(row["next"], levels, "next")])
        all_faults += _capacities(level, row)
        all_faults += _terms(level, row)
    all_faults += [Fault("/tiers", sentence) for sentence in ceilings(snapshot)]
    if not any(fault.pointer == "/rates" for fault in all_faults):
        all_faults += [Fault("/rates", sentence) for sentence in of_rates(snapshot["rates"])]
    for name, row in snapshot["types"].items():
        columns = documents.type_columns(row)
        all_faults += _faults_at(["types", name], [*of_type(columns), *_leading(row["tier"], levels, "tier")])
        for impact, (auto, review) in row["thresholds"].items():
            bands = of_bands(Decimal(auto), Decimal(review), "auto", "review")
            all_faults += _faults_at(["types", name, "thresholds", impact], bands)
        all_faults += _rules(["types", name], row["rules"], levels, row["schema"], row["title"])
    all_faults += _rules([], snapshot["rules"], levels, None, "")
    return list(dict.fromkeys(all_faults))


def of_type(columns: Columns) -> Complaints:
    """An action type: paths against its schema, reversibility first, silence, bands, weights, verdicts."""
    yield from _paths(columns)
    yield from _unusual(columns)
    yield from _silence(columns)
    yield from _afterwards(columns)
    yield from of_bands(
        columns.get("auto_threshold"), columns.get("review_threshold"), "auto_threshold", "review_threshold"
    )
    for name in ("expires_after", "permit_valid"):
        if (span := columns.get(name)) is not None and span <= timedelta(0):
            yield name, _("A deadline lies ahead: give it more than nothing, such as 4 h.")
    if not {Verdict.APPROVE, Verdict.ANSWER} & set(columns.get("allowed") or [Verdict.APPROVE]):
        yield "allowed", _("Nothing could ever be approved or answered: allow one of the two.")
    yield from _checkpoints(columns)
    yield from _by_law(columns)
    for name in columns.get("required") or ():
        if name not in Accompanying.values:
            yield "required", unknown(name, list(Accompanying.values))
    if columns.get("shadow") and (why := shadow_fault(columns.get("reversibility") or "", columns.get("gate") or "")):
        yield "shadow", why
    for sentence in of_weights(columns.get("weights") or {}):
        yield "weights", sentence
    for name in columns.get("flags") or ():
        if name not in LABELS:
            yield "flags", unknown(name, list(LABELS))


def of_weights(value: Json) -> Iterator[str]:
    """Weights of the signals, by name."""
    if not isinstance(value, Mapping):
        yield _('Weights are an object of names and numbers: {"precedent": 0.25}')
        return
    for name, weight in value.items():
        if name not in WEIGHTS:
            yield unknown(name, list(WEIGHTS))
        elif isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
            yield _("The weight of “%(name)s” must be a number from 0 to 1.") % {"name": name}
    if value and not any({**WEIGHTS, **value}.values()):
        yield _("At least one weight must be above 0.")


def of_bands(auto: Any, review: Any, upper: str, lower: str) -> Complaints:
    """The two limits of the bands lie in 0 to 1 and in order; the sentence names the overlap and its mend."""
    for name, limit in ((upper, auto), (lower, review)):
        if limit is not None and not 0 <= limit <= 1:
            yield name, _("A confidence lies between 0 and 1: write 0.85 for 85 %.")
    if auto is not None and review is not None and auto < review:
        message = _(
            "The bands overlap: between %(auto)s and %(review)s a proposal would pass and ask a person at once. "
            "“Passes from” must be at least %(review)s."
        )
        yield upper, message % {"auto": auto, "review": review}


def of_tier(columns: Columns, following: Mapping[int, int | None]) -> Complaints:
    """A tier: times, ceiling, and where it escalates to. `following` are the tiers that the others escalate to."""
    yield from of_terms(columns)
    if (span := columns.get("claim")) is not None and span <= timedelta(0):
        yield "claim", str(_NO_TIME)
    if (hold := columns.get("hold")) is not None and not timedelta(0) <= hold <= timedelta(seconds=30):
        yield "hold", _("A verdict can be taken back for 0 to 30 seconds.")
    level, upper = columns.get("level"), columns.get("next_id")
    if level is not None and upper is not None and upper <= level:
        loop = _loop(level, upper, following)
        message = (
            _("Escalation would run in a circle: %(loop)s. Choose a tier above %(level)d, or none.")
            if loop
            else _("Escalation climbs: choose a tier above %(level)d, or none.")
        )
        yield "next", message % {"loop": loop, "level": level}


_NO_TIME = gettext_lazy("Nobody answers in no time: give it more than nothing, for example 15 min.")


def of_terms(columns: Columns) -> Complaints:
    """A ceiling, the time to answer, and its hours: a tier's own, or those of a domain."""
    if (span := columns.get("sla")) is not None and span <= timedelta(0):
        yield "sla", str(_NO_TIME)
    elif span is not None and span > LONGEST_SLA:
        message = _("At most %(days)d days: what may wait longer goes into a work queue.")
        yield "sla", message % {"days": LONGEST_SLA.days}
    yield from _hours(columns)
    if (ceiling := columns.get("ceiling")) is not None and ceiling <= 0:
        yield "ceiling", _("A ceiling is above 0; leave it empty for none.")


def _hours(columns: Columns) -> Complaints:
    """Working hours: some, that begin on days of the week, in a time zone that there is."""
    zone = columns.get("time_zone")
    if zone is not None and zone not in zones():
        near = difflib.get_close_matches(zone, zones(), n=1) or ["Europe/Vienna"]
        message = _("There is no time zone “%(name)s”; name one such as %(near)s.")
        yield "time_zone", message % {"name": zone, "near": near[0]}
    days = columns.get("workdays")
    if wrong := sorted(set(days or ()) - set(WEEK)):
        yield (
            "workdays",
            _("Days of the week are 1 (Monday) to 7, not %(days)s.") % {"days": ", ".join(map(str, wrong))},
        )
    if not columns.get("working"):
        return
    opens, closes = columns.get("opens"), columns.get("closes")
    for name, moment in (("opens", opens), ("closes", closes)):
        if moment is None and name in columns:
            yield name, _("Only working hours count: say from when until when, or let all hours count.")
    if opens is not None and opens == closes:
        yield "closes", _("No time lies between the two. For the whole day, let all hours count.")
    if days is not None and not days:
        yield "workdays", _("No time would ever count: choose at least one day, or let all hours count.")


@cache
def zones() -> frozenset[str]:
    """The names of the time zones that this machine knows."""
    return frozenset(available_timezones())


def of_capacity(columns: Columns) -> Complaints:
    """How much may wait in a queue, and what holds when it is full."""
    limit, when_full = columns.get("limit"), columns.get("when_full")
    if limit is not None and limit <= 0:
        yield "limit", _("At least one may wait; leave it empty for no limit.")
    elif limit is not None and limit > MOST_WAITING:
        message = _(
            "Nobody works through more than %(most)s; it is counted with every submission. Leave it empty for none."
        )
        yield "limit", message % {"most": f"{MOST_WAITING:,}"}
    if limit is None and when_full not in (None, "", OverloadMode.QUEUE):
        message = _("A queue without a limit is never full: say how many may wait, or choose “It waits all the same”.")
        yield "when_full", message


def ceilings(snapshot: Row) -> Iterator[str]:
    """What is wrong with the value ceilings, the tiers' own and those of each domain."""
    yield from of_ceilings(_ceilings(snapshot))
    for domain in sorted({terms["domain"] for row in snapshot["tiers"].values() for terms in row.get("terms", ())}):
        for sentence in of_ceilings(_ceilings(snapshot, domain)):
            yield _("In %(domain)s: %(said)s") % {"domain": domain, "said": sentence}


def of_ceilings(tiers: Sequence[tuple[str, Decimal | None]]) -> Iterator[str]:
    """What is wrong with the value ceilings of tiers in order of level: overlaps, and values that nobody covers."""
    for (lower, below), (upper, above) in pairwise(tiers):
        facts = {"lower": lower, "upper": upper, "below": below, "above": above}
        if below is None:
            sentence = _(
                "“%(lower)s” has no ceiling, so no value would ever reach “%(upper)s”. "
                "Give “%(lower)s” a ceiling; where “%(upper)s” is new, under “The tier below ends at”."
            )
            yield sentence % facts
        elif above is not None and above <= below:
            sentence = _(
                "The ceilings overlap: “%(upper)s” ends at %(above)s, which “%(lower)s” covers up to %(below)s "
                "already. Set “%(upper)s” above %(below)s."
            )
            yield sentence % facts
    if tiers and tiers[-1][1] is not None:
        name, ceiling = tiers[-1]
        sentence = _(
            "Values above %(ceiling)s would belong to no tier. Clear the ceiling of “%(tier)s”, or add the tier above "
            "it first."
        )
        yield sentence % {"ceiling": ceiling, "tier": name}


def of_rates(rates: Mapping[str, str]) -> Iterator[str]:
    """Exactly one currency is the base: the one whose rate is 1."""
    for code, rate in rates.items():
        if Decimal(rate) <= 0:
            yield _("%(code)s: A rate is above 0.") % {"code": code}
    base = [code for code, rate in rates.items() if Decimal(rate) == 1]
    if rates and not base:
        yield _("No currency would have the rate 1. The base currency keeps it: ceilings are written in it.")
    elif len(base) > 1:
        yield _(
            "%(codes)s would both have the rate 1; only the base currency has it. Give the other what one of it is "
            "worth in base currency."
        ) % {"codes": ", ".join(base)}


def of_rule(columns: Columns, schema: Mapping[str, Json] | None, title: str) -> Complaints:
    """A rule that compiles: what it names against the schema of its action type, and what may follow from it."""
    expression = compiled_expression(columns.get("expression") or "true")
    wrong = fit.unfit(expression, schema, title)
    yield from (("expression", str(one)) for one in wrong)
    if not wrong and columns.get("effect") == Rule.Effect.ALLOW and (message := stated_complaint(expression)):
        yield "expression", message
    if columns.get("effect") != Rule.Effect.REVIEW:
        if columns.get("tier_id"):
            yield "tier", _("Only “Ask a person” sends it to a tier; leave this empty.")
        if (columns.get("approvers") or 1) > 1:
            yield "approvers", _("Only “Ask a person” needs people; leave it at 1.")
    yield from stage_rules.of_rule(columns)


def stated_complaint(expression: Expression) -> str:
    """Why an expression may not let anything pass: it goes by what the agent says of itself."""
    names = expression.stated_names
    if not names:
        return ""
    message = _(
        "An agent must not talk itself through: %(names)s is the agent's own word. Let pass by args, value, currency, "
        "agent, action, now, signals.precedent or signals.impact, or choose another effect."
    )
    return message % {"names": ", ".join(names)}


def _by_law(columns: Columns) -> Complaints:
    """Where the law wants a person, nothing else of the type may say otherwise."""
    if not columns.get("by_law"):
        return
    if columns.get("strategy") == Strategy.NEVER:
        yield "strategy", _("The law wants a person, so it cannot be “never”: choose another.")
    if columns.get("gate") == Gate.SOFT:
        yield "gate", _("The law wants a person, and a soft gate goes on without one: choose a hard or manual gate.")
    if columns.get("on_timeout") in GOING_ON:
        yield (
            "on_timeout",
            _("The law wants a person, so nothing runs in silence: choose “Nothing runs” or “Escalates”."),
        )
    if columns.get("runs_before_review") not in (None, "", OptimisticExecution.WAITS):
        yield "runs_before_review", _("The law wants a person, so it waits: choose “It waits for the verdict”.")
    if columns.get("shadow"):
        yield "shadow", _("The law wants a person, and shadow mode asks nobody: leave it off.")


def level_fault(level: int, reversibility: str) -> str:
    """Why actions of this reversibility never get this level of autonomy; empty when they may."""
    if reversibility == Reversibility.IRREVERSIBLE and level > 2:
        return _("An irreversible action stays at level 1 or 2.")
    if reversibility == Reversibility.PARTIAL and level > 3:
        return _("Level 4 runs without asking; only reversible actions may do that. Choose 1 to 3.")
    return ""


def shadow_fault(reversibility: str, gate: str) -> str:
    """Why shadow mode never passes such actions; empty where it may."""
    if reversibility == Reversibility.IRREVERSIBLE:
        return _("What cannot be undone always asks a person; shadow mode is for the other actions. Leave it off.")
    if gate == Gate.MANUAL:
        return _("A manual gate always asks a person; choose another gate, or leave shadow mode off.")
    return ""


def _checkpoints(columns: Columns) -> Complaints:
    """How often and above what a person is asked on top of the strategy: within what is counted."""
    most, window, limit = checkpoints.RUN_LOOK_BACK, columns.get("spend_window"), columns.get("spend_limit")
    if (steps := columns.get("every_steps")) is not None and not 1 <= steps <= most:
        yield "every_steps", _("From every step (1) to every %(most)d; leave it empty for never.") % {"most": most}
    if (every := columns.get("every_time")) is not None and not timedelta(seconds=1) <= every <= LONGEST_WINDOW:
        message = _("From a second to %(days)d days, such as 30 min; leave it empty for never.")
        yield "every_time", message % {"days": LONGEST_WINDOW.days}
    if window is not None and not checkpoints.HOUR <= window <= LONGEST_WINDOW:
        message = _("Spending is counted by the hour for %(days)d days: give a window between 1 h and %(days)d days.")
        yield "spend_window", message % {"days": LONGEST_WINDOW.days}
    if limit is not None and limit <= 0:
        yield "spend_limit", _("A limit is above 0; leave it empty for none.")
    elif limit is not None and not columns.get("value_path"):
        yield "spend_limit", _("Without a value nothing is spent: name the argument that holds the value first.")


def _paths(columns: Columns) -> Complaints:
    shape = columns.get("schema")
    if shape is None:
        return
    paths = [("headline", path) for path in placeholders(columns.get("headline", ""))]
    named = ("value_path", "currency_path", "subject_path", "baseline_path", "frequency_path")
    paths += [(name, columns[name]) for name in named if columns.get(name)]
    for field, path in paths:
        try:
            part_schema = subschema(shape, path)
        except UnknownField as missing:
            yield field, unknown(missing.name, missing.candidates)
            continue
        kind = part_schema.get("type") if part_schema is not None else None
        if field == "value_path" and kind not in (None, "number", "integer", "string") and not isinstance(kind, list):
            yield field, _("“%(path)s” is no number in the schema: name an argument that is one.") % {"path": path}
    if columns.get("currency_path") and not columns.get("value_path"):
        yield "currency_path", _("A currency goes with a value: name the argument that holds the value.")


def _unusual(columns: Columns) -> Complaints:
    """Counts that history can reach, windows that it covers, and a usual value only where there is a value."""
    counts = (("frequency_from", 2, LOOK_BACK), ("burst_from", 2, LOOK_BACK), ("most_attempts", 1, REJECTIONS))
    for name, least, most in counts:
        if (count := columns.get(name)) is not None and not least <= count <= most:
            yield name, _("From %(least)d to %(most)d: history counts no further.") % {"least": least, "most": most}
    for name, longest in (("frequency_window", 366), ("burst_window", 31)):
        if (span := columns.get(name)) is not None and not timedelta(0) < span <= timedelta(days=longest):
            yield name, _("More than nothing and at most %(days)d days.") % {"days": longest}
    if (ratio := columns.get("usual_times")) is not None and ratio < 1:
        yield "usual_times", _("At least 1: below, every usual value would be unusual.")
    if columns.get("baseline_path") and not columns.get("value_path"):
        yield "baseline_path", _("A usual value needs a value: name the argument that holds it, or leave this empty.")


def _silence(columns: Columns) -> Complaints:
    kind, gate, silence = (columns.get(name) for name in ("reversibility", "gate", "on_timeout"))
    if kind == Reversibility.IRREVERSIBLE:
        if columns.get("strategy") != Strategy.ALWAYS:
            yield "strategy", _("An irreversible action always asks a person: choose “Always”.")
        if gate not in {Gate.HARD, Gate.MANUAL}:
            yield "gate", _("An irreversible action waits for a yes: choose “Hard” or “Manual”.")
    elif kind == Reversibility.PARTIAL and gate == Gate.SOFT:
        yield "gate", _("A soft gate runs when nobody answers; only reversible actions may do that. Choose “Hard”.")
    if fault := level_fault(columns.get("level") or 1, kind or ""):
        yield "level", fault
    if kind and kind != Reversibility.REVERSIBLE and silence in SILENT:
        yield "on_timeout", _("Only a reversible action may go on without an answer: choose “Nothing runs”.")
    elif gate == Gate.SOFT and kind == Reversibility.REVERSIBLE and silence not in SILENT:
        yield "on_timeout", _("A soft gate proceeds unless stopped: choose “Runs”, or a hard gate.")


def _capacities(level: str, row: Row) -> Iterator[Fault]:
    domains = [one["domain"] or "" for one in row.get("capacities", ())]
    for capacity in row.get("capacities", ()):
        domain = capacity["domain"] or ""
        yield from _faults_at(["tiers", level, "capacities", domain], of_capacity(capacity))
        if domains.count(domain) > 1:
            yield Fault(pointer_of(["tiers", level, "capacities", domain]), str(TWICE))


def _terms(level: str, row: Row) -> Iterator[Fault]:
    domains = [terms["domain"] for terms in row.get("terms", ())]
    for terms in row.get("terms", ()):
        path = ["tiers", level, "terms", terms["domain"]]
        yield from _faults_at(path, of_terms(documents.terms_columns(terms)))
        if domains.count(terms["domain"]) > 1:
            yield Fault(pointer_of(path), str(TWICE))


def _ceilings(snapshot: Row, domain: str = "") -> list[tuple[str, Decimal | None]]:
    """Each tier and how far it decides in a domain, in order of level."""
    tiers = []
    for level, row in sorted(snapshot["tiers"].items(), key=lambda pair: int(pair[0])):
        own = next((terms for terms in row.get("terms", ()) if terms["domain"] == domain), row)
        tiers.append((f"{level} · {row['name']}", documents.terms_columns(own)["ceiling"]))
    return tiers


def _afterwards(columns: Columns) -> Complaints:
    """What may go on before anybody has looked, and how much of what passes is looked at later."""
    kind, gate, ahead = (columns.get(name) for name in ("reversibility", "gate", "runs_before_review"))
    if ahead == OptimisticExecution.VETO and (gate != Gate.SOFT or kind != Reversibility.REVERSIBLE):
        yield (
            "runs_before_review",
            _("Only a reversible action with a soft gate goes on unless stopped: choose “It waits”, or both."),
        )
    elif ahead == OptimisticExecution.REVIEW and kind == Reversibility.IRREVERSIBLE:
        yield (
            "runs_before_review",
            _("What cannot be undone never runs ahead of its review: choose “It waits for the verdict”."),
        )
    elif ahead == OptimisticExecution.REVIEW and gate == Gate.MANUAL:
        yield (
            "runs_before_review",
            _("A manual gate always waits for a typed yes: choose “It waits for the verdict”, or a hard gate."),
        )
    elif ahead in (OptimisticExecution.VETO, OptimisticExecution.REVIEW) and (columns.get("approvers") or 1) > 1:
        yield (
            "runs_before_review",
            _("What several people must approve waits for them: choose “It waits for the verdict”, or one."),
        )
    elif ahead in (OptimisticExecution.VETO, OptimisticExecution.REVIEW) and columns.get("strategy") == Strategy.NEVER:
        yield (
            "runs_before_review",
            _("It never asks a person, so nothing is ahead of one: choose “It waits for the verdict”."),
        )
    if (share := columns.get("sample")) is not None and not 0 <= share <= 1:
        yield "sample", _("A share lies between 0 and 1: 0.05 is one in twenty.")


def _rules(
    path: list[str], rule_rows: Iterable[Row], levels: set[int], schema: Mapping[str, Json] | None, title: str
) -> Iterator[Fault]:
    for row in rule_rows:
        try:
            compiled_expression(row["when"])
        except BadExpression:
            continue  # said already, with its line and column
        complaints = [
            *of_rule(documents.rule_columns(row), schema, title),
            *_leading(row["tier"], levels, "tier"),
            *stage_rules.of_names(row.get("stages", ()), levels, None),
        ]
        yield from _faults_at([*path, "rules", row["name"]], complaints)


def _leading(level: int | None, levels: set[int], column: str) -> Complaints:
    if level is not None and level not in levels:
        message = _("There is no active tier %(level)d; choose one of %(known)s.")
        yield column, message % {"level": level, "known": ", ".join(map(str, sorted(levels))) or _("none")}


def _faults_at(path: Sequence[str], complaints: Iterable[tuple[str, str]]) -> list[Fault]:
    return [Fault(pointer_of([*path, column]), sentence) for column, sentence in complaints]


def _followers(snapshot: Row) -> dict[int, int | None]:
    return {int(level): row["next"] for level, row in snapshot["tiers"].items()}


def _loop(level: int, upper: int | None, following: Mapping[int, int | None]) -> str:
    """`3 → 1 → 3` when the chain from `upper` comes back to `level`, else nothing."""
    path = [level]
    while upper is not None and len(path) <= len(following) + 1:
        path.append(upper)
        if upper == level:
            return " → ".join(map(str, path))
        upper = following.get(upper)
    return ""
