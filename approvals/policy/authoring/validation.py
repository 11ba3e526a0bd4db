"""Validates policy, whether it comes from a form, a file or a table; each fault says how to mend it.

`of_…` look at the columns of one row and name the column; `faults` looks at a whole snapshot and names the place.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.models import Rule
from approvals.models.policy import OverloadMode
from approvals.policy.authoring import documents, stage_rules
from approvals.policy.authoring.action_type_checks import Columns, Complaints, of_band, of_type
from approvals.policy.authoring.fields import ACTION_TYPE, BAND, CAPACITY, CURRENCY, RULE, TERMS, TIER, Row
from approvals.policy.rules import fit
from approvals.policy.rules.expressions import BadExpression, Expression, compiled_expression
from approvals.values.schema import Fault, Json, pointer_of

TWICE = gettext_lazy("There are two rows for this queue: keep one of them.")


def faults(snapshot: Row) -> list[Fault]:
    """Everything that keeps a snapshot from being policy, staffing aside: /types/refund/rules/big, and the mend."""
    all_faults = documents.faults_of(snapshot)
    levels = {int(level) for level in snapshot["tiers"]}
    for level, row in snapshot["tiers"].items():
        complaints = of_tier({"level": int(level), **TIER.columns(row)}, _followers(snapshot))
        all_faults += _faults_at(["tiers", level], [*complaints, *_leading(row["next"], levels, "next")])
        all_faults += _capacities(level, row)
        all_faults += _terms(level, row)
    all_faults += [Fault("/tiers", sentence) for sentence in ceilings(snapshot)]
    if not any(fault.pointer == "/rates" for fault in all_faults):
        all_faults += [Fault("/rates", sentence) for sentence in of_rates(snapshot["rates"])]
    for name, row in snapshot["types"].items():
        complaints = of_type(ACTION_TYPE.columns(row))
        all_faults += _faults_at(["types", name], [*complaints, *_leading(row["tier"], levels, "tier")])
        for impact, band in row["thresholds"].items():
            complaints = of_band(BAND.columns(band))
            all_faults += _faults_at(["types", name, "thresholds", impact], complaints)
        all_faults += _rules(["types", name], row["rules"], levels, row["schema"], row["title"])
    all_faults += _rules([], snapshot["rules"], levels, None, "")
    return list(dict.fromkeys(all_faults))


def of_tier(columns: Columns, following: Mapping[int, int | None]) -> Complaints:
    """A tier: times, ceiling, and where it escalates to. `following` are the tiers that the others escalate to."""
    yield from TIER.complaints(columns)
    yield from _hours(columns)
    level, upper = columns.get("level"), columns.get("next_id")
    if level is not None and upper is not None and upper <= level:
        loop = _loop(level, upper, following)
        message = (
            _("Escalation would run in a circle: %(loop)s. Choose a tier above %(level)d, or none.")
            if loop
            else _("Escalation climbs: choose a tier above %(level)d, or none.")
        )
        yield "next", message % {"loop": loop, "level": level}


def of_terms(columns: Columns) -> Complaints:
    """A ceiling, the time to answer, and its hours, of a domain."""
    yield from TERMS.complaints(columns)
    yield from _hours(columns)


def _hours(columns: Columns) -> Complaints:
    """Working hours that count are some."""
    if not columns.get("working"):
        return
    opens, closes, days = (columns.get(name) for name in ("opens", "closes", "workdays"))
    for name, moment in (("opens", opens), ("closes", closes)):
        if moment is None and name in columns:
            yield name, _("Only working hours count: say from when until when, or let all hours count.")
    if opens is not None and opens == closes:
        yield "closes", _("No time lies between the two. For the whole day, let all hours count.")
    if days is not None and not days:
        yield "workdays", _("No time would ever count: choose at least one day, or let all hours count.")


def of_capacity(columns: Columns) -> Complaints:
    """How much may wait in a queue, and what holds when it is full."""
    yield from CAPACITY.complaints(columns)
    limit, when_full = columns.get("limit"), columns.get("when_full")
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
        for _column, sentence in CURRENCY.complaints({"rate": Decimal(rate)}):
            yield f"{code}: {sentence}"
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


def _capacities(level: str, row: Row) -> Iterator[Fault]:
    domains = [one["domain"] or "" for one in row["capacities"]]
    for capacity in row["capacities"]:
        domain = capacity["domain"] or ""
        yield from _faults_at(["tiers", level, "capacities", domain], of_capacity(capacity))
        if domains.count(domain) > 1:
            yield Fault(pointer_of(["tiers", level, "capacities", domain]), str(TWICE))


def _terms(level: str, row: Row) -> Iterator[Fault]:
    domains = [terms["domain"] for terms in row.get("terms", ())]
    for terms in row.get("terms", ()):
        path = ["tiers", level, "terms", terms["domain"]]
        yield from _faults_at(path, of_terms(TERMS.columns(terms)))
        if domains.count(terms["domain"]) > 1:
            yield Fault(pointer_of(path), str(TWICE))


def _ceilings(snapshot: Row, domain: str = "") -> list[tuple[str, Decimal | None]]:
    """Each tier and how far it decides in a domain, in order of level."""
    tiers = []
    for level, row in sorted(snapshot["tiers"].items(), key=lambda pair: int(pair[0])):
        own = next((terms for terms in row.get("terms", ()) if terms["domain"] == domain), row)
        tiers.append((f"{level} · {row['name']}", own["ceiling"] and Decimal(own["ceiling"])))
    return tiers


def _rules(
    path: list[str], rule_rows: Iterable[Row], levels: set[int], schema: Mapping[str, Json] | None, title: str
) -> Iterator[Fault]:
    for row in rule_rows:
        try:
            compiled_expression(row["when"])
        except BadExpression:
            continue  # said already, with its line and column
        complaints = [
            *of_rule(RULE.columns(row), schema, title),
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
