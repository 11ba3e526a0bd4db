"""The calibration page: does a score come true, in a sentence, as a curve, and in numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, timedelta

from django import forms
from django.http import HttpResponse, HttpResponseBase
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.db import times
from approvals.evidence.calibration import (
    ENOUGH,
    FEW,
    Calibration,
    Lean,
    ScoreReading,
    ScoreSelection,
    calibration,
    lean,
)
from approvals.evidence.calibration_counts import COMPARED, COMPOSITE, SCORES, Against, monday_of
from approvals.evidence.reliability import Pooled
from approvals.models.policy import Impact
from approvals.people.authorities import Authority
from approvals.policy.precedent.signals import LABELS
from approvals.values.schema import Json
from console.http import ConsoleRequest
from console.reports.axes import DASH, percent
from console.reports.reliability_chart import reliability_chart
from console.reports.selection import SelectionForm, address
from console.reports.views import document, page, report_view

NAMES: Mapping[str, str | Promise] = {
    COMPARED: gettext_lazy("Routed score"),
    COMPOSITE: gettext_lazy("Composite"),
    **LABELS,
}
WEEKS: list[tuple[str, Promise]] = [
    ("4", gettext_lazy("Last 4 weeks")),
    ("13", gettext_lazy("Last 13 weeks")),
    ("26", gettext_lazy("Last 26 weeks")),
    ("52", gettext_lazy("Last 52 weeks")),
]


class CalibrationForm(SelectionForm):
    """Weeks, action type, agent, version and impact; which score, and what it is held against."""

    periods = WEEKS
    defaults = {"period": "13", "score": COMPARED, "against": Against.PEOPLE}
    impact = forms.ChoiceField(required=False, label=gettext_lazy("Impact"))
    score = forms.ChoiceField(required=False, label=gettext_lazy("Score"))
    against = forms.ChoiceField(required=False, label=gettext_lazy("Against"))

    def __init__(self, data: Mapping[str, str], authority: Authority) -> None:
        super().__init__(data, authority)
        for name in ("tier", "domain", "person", "first", "last"):
            del self.fields[name]
            self.choices.pop(name, None)
        further: dict[str, Sequence[tuple[str, str | Promise]]] = {
            "impact": [("", _("Any impact")), *Impact.choices],
            "score": [(name, NAMES[name]) for name in SCORES],
            "against": Against.choices,
        }
        for name, choices in further.items():
            self.choices[name] = [*choices]
            field = self.fields[name]
            if isinstance(field, forms.ChoiceField):
                field.choices = self.choices[name]

    @property
    def days(self) -> tuple[date, date]:
        """From a Monday to today."""
        now = times.now()
        weeks = int(self.cleaned_data.get("period") or self.defaults["period"])
        return monday_of(now) - timedelta(weeks=weeks - 1), now.astimezone(UTC).date()

    @property
    def chosen(self) -> ScoreSelection:
        """What was chosen; only after `is_valid()`."""
        cleaned = self.cleaned_data
        first, last = self.days
        return ScoreSelection(
            first=first,
            last=last,
            action_type=cleaned.get("type") or None,
            agent=self.agents.get(cleaned.get("agent") or ""),
            version=cleaned.get("version") or None,
            impact=cleaned.get("impact") or None,
            score=cleaned.get("score") or COMPARED,
            against=cleaned.get("against") or Against.PEOPLE,
        )

    @property
    def query(self) -> dict[str, str]:
        return {name: value for name in self.fields if (value := self.data.get(name, "").strip())}


@dataclass(frozen=True, slots=True)
class ReadingLine:
    """One line of a table: a score or a group, and where the page is narrowed to it."""

    name: str
    href: str
    reading: ScoreReading


@dataclass(frozen=True, slots=True)
class ReadingTable:
    title: str
    column: str
    slug: str
    lines: Sequence[ReadingLine]


@dataclass(frozen=True, slots=True)
class TenthLine:
    """The labels from one tenth of the score up to the next."""

    ends: str
    pooled: Pooled
    lean: Lean


@report_view("calibration", CalibrationForm)
def confidence(request: ConsoleRequest, form: CalibrationForm) -> HttpResponse:
    """The calibration page."""
    shown = calibration(form.chosen)
    content = {
        "calibration": shown,
        "score_name": NAMES[shown.selection.score],
        "sentences": sentences(shown),
        "chart": reliability_chart(shown, _text(shown)),
        "tables": tables(form, shown),
        "tenths": [TenthLine(_ends(tenth), tenth, lean(tenth)) for tenth in shown.whole.tenths],
    }
    return page(request, "calibration", form, content)


@report_view("calibration", CalibrationForm)
def confidence_json(request: ConsoleRequest, form: CalibrationForm) -> HttpResponseBase:
    """The same numbers as JSON."""
    shown = calibration(form.chosen)
    later = shown.judged_later
    groups = [
        *(("all", [shown.whole]), ("score", shown.by_score), ("action_type", shown.by_type)),
        *(("agent", shown.by_agent), ("version", shown.by_version), ("impact", shown.by_impact)),
    ]
    return document(
        {
            "score": shown.selection.score,
            "against": shown.selection.against,
            "first": shown.selection.first.isoformat(),
            "last": shown.selection.last.isoformat(),
            "readings": [{"group": name, **_document(reading)} for name, readings in groups for reading in readings],
            "curve": [
                {"score": each.score, "labels": sum(part.count for part in each.drawn), "right": value}
                for each, value in zip(shown.whole.bins, shown.fitted, strict=True)
            ],
            "band": [list(ends) for ends in shown.band],
            "judged_later": None
            if later is None or shown.judged_from is None
            else {"from": shown.judged_from.isoformat(), **asdict(later)},
        }
    )


def _document(reading: ScoreReading) -> dict[str, Json]:
    pooled, parts = reading.pooled, reading.parts
    return {
        "name": reading.name,
        "labels": reading.count,
        "mean_score": pooled.score if pooled else None,
        "right": pooled.share if pooled else None,
        "right_interval": list(pooled.interval) if pooled else None,
        **(asdict(parts) if parts else {}),
    }


def sentences(shown: Calibration) -> list[str]:
    """What the labels say of the score, the most important first."""
    lines = [_verdict(shown)]
    parts, later = shown.whole.parts, shown.judged_later
    if parts is not None and shown.whole.count >= FEW:
        lines.append(
            _(
                "Brier score %(brier).3f = miscalibration %(mcb).3f \N{MINUS SIGN} discrimination %(dsc).3f + "
                "uncertainty %(unc).3f: %(what)s"
            )
            % {
                "brier": parts.brier,
                "mcb": parts.miscalibration,
                "dsc": parts.discrimination,
                "unc": parts.uncertainty,
                "what": _discrimination(parts.discrimination, parts.uncertainty),
            }
        )
    if later is not None and shown.judged_from is not None:
        lines.append(
            _(
                "A curve fitted on the %(earlier)d labels before %(day)s and judged on the %(later)d since: Brier "
                "score %(after).3f in place of %(before).3f (gain %(gain)s, interval %(low)s to %(high)s). %(what)s"
            )
            % {
                "earlier": later.earlier,
                "day": date_format(shown.judged_from, "j M"),
                "later": later.later,
                "after": later.after,
                "before": later.before,
                "gain": _signed(later.gain),
                "low": _signed(later.gain_low),
                "high": _signed(later.gain_high),
                "what": _("What it is off by lasts, so it can be mended.")
                if later.gain_low > 0
                else _("Nothing certain to mend."),
            }
        )
    return lines


def _verdict(shown: Calibration) -> str:
    pooled, count = shown.whole.pooled, shown.whole.count
    if pooled is None:
        return _("Nothing of these weeks has been judged yet with this score.")
    low, high = pooled.interval
    facts = {
        "many": count,
        "least": FEW,
        "mean": percent(pooled.score),
        "share": percent(pooled.share),
        "low": percent(low),
        "high": percent(high),
    }
    if shown.whole.lean is Lean.FEW:
        return _("Only %(many)d labels: below %(least)d nothing can be said of the score.") % facts
    worst = shown.worst
    if worst is not None:
        gap_low, gap_high = worst.gap_interval
        sign = 1 if worst.gap > 0 else -1
        ends = sorted((sign * gap_low, sign * gap_high))
        facts |= {
            "score": f"{worst.score:.2f}",
            "share": percent(worst.share),
            "points": round(abs(worst.gap) * 100),
            "from": round(ends[0] * 100),
            "to": round(ends[1] * 100),
            "labels": worst.count,
        }
        if worst.gap > 0:
            text = _(
                "Scores of about %(score)s meant %(share)s right: too sure by %(points)d points (interval %(from)d to "
                "%(to)d, %(labels)d labels)."
            )
        else:
            text = _(
                "Scores of about %(score)s meant %(share)s right: too modest by %(points)d points (interval %(from)d "
                "to %(to)d, %(labels)d labels)."
            )
        return text % facts
    return (
        _(
            "The score means what it says, as far as %(many)d labels can tell: it averages %(mean)s, and %(share)s "
            "were right (%(low)s to %(high)s)."
        )
        % facts
    )


def _ends(tenth: Pooled) -> str:
    low = min(int(tenth.score * 10), 9) / 10
    return f"{low:.1f} {DASH} {low + 0.1:.1f}"


def _signed(number: float) -> str:
    return f"{number:+.3f}".replace("-", "\N{MINUS SIGN}")


def _discrimination(discrimination: float, uncertainty: float) -> str:
    """How much of what is uncertain the score tells apart."""
    if not uncertainty:
        return _("all labels say the same, so there is nothing to tell apart.")
    share = discrimination / uncertainty
    return _("it tells apart %(share)s of what is uncertain.") % {"share": percent(share)}


def _text(shown: Calibration) -> str:
    if shown.whole.count < ENOUGH:
        return _(
            "Share that was right against the score, by tenths, each with its interval (95 %). Below: labels by score."
        )
    return _(
        "Share that was right against the score. On the diagonal the score means what it says; the band is where the "
        "curve would lie by chance (95 %) if it did. Below: labels by score, the wrong ones on top."
    )


def tables(form: CalibrationForm, shown: Calibration) -> list[ReadingTable]:
    """Each score alone, then the chosen one by action, agent, version and impact."""

    def table(title: str, column: str, parameter: str, readings: Sequence[ScoreReading]) -> ReadingTable:
        lines = []
        names = {str(pk): name for name, pk in form.agents.items()}
        for reading in readings:
            key = {"agent": reading.name, "version": reading.key}.get(parameter, reading.key)
            narrower = {parameter: key} | ({"agent": names[reading.agent]} if reading.agent in names else {})
            href = address(form, "reports:calibration", **narrower)
            lines.append(ReadingLine(_name(parameter, reading), href, reading))
        return ReadingTable(title, column, parameter, lines)

    return [
        table(_("Each score alone"), _("Score"), "score", shown.by_score),
        table(_("By action"), _("Action"), "type", shown.by_type),
        table(_("By agent"), _("Agent"), "agent", shown.by_agent),
        table(_("By stated version"), _("Version"), "version", shown.by_version),
        table(_("By impact"), _("Impact"), "impact", shown.by_impact),
    ]


def _name(parameter: str, reading: ScoreReading) -> str:
    if parameter == "score":
        return str(NAMES[reading.key])
    return str(dict(Impact.choices).get(reading.key, reading.key)) if parameter == "impact" else reading.name
