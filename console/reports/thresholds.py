"""The page of thresholds: what is certified and by what, what is needed before it is, what it saves and risks."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from approvals.evidence.trade_offs import (
    FEW,
    CellEvidence,
    ScoreBand,
    TradeOffPoint,
    TypeEvidence,
    evidence_by_type,
)
from approvals.models import ActionType, Certificate
from approvals.policy import snapshot
from approvals.policy.authoring import versions
from approvals.policy.certified import GRID
from console.http import ConsoleRequest
from console.reports import charts
from console.reports.axes import DASH, count_steps, percent
from console.reports.charts import ChartPoint, Line
from console.reports.views import reader_or_403

RELAX, ASK_MORE = 0.95, 0.10  # of a band: approved unchanged; wrong


@dataclass(frozen=True, slots=True)
class CellLine:
    """A cell as the page says it: in one sentence what is certified or missing, and then by what."""

    evidence: CellEvidence
    sentence: str
    basis: str
    opens_gate: bool


@dataclass(frozen=True, slots=True)
class CurveRow:
    """A threshold of the trade-off in words; `marks` say which it is."""

    at: str
    passes: str
    minutes: str
    saved: str
    wrong: str
    cost: str
    net: str
    marks: Sequence[str]
    may_draft: bool


@dataclass(frozen=True, slots=True)
class TypeSection:
    """All that is said of one action type."""

    evidence: TypeEvidence
    sentence: str
    cells: Sequence[CellLine]
    chart: Line | None
    keys: Sequence[tuple[str, str]]
    curve: Sequence[CurveRow]
    advice: Sequence[str]


@require_safe
@login_required
def thresholds(request: ConsoleRequest) -> HttpResponse:
    authority = reader_or_403(request.user, team=True)
    base = snapshot.current().base
    may_draft = request.user.has_perm("approvals.change_actiontype")
    sections = [_section(evidence, base, may_draft=may_draft) for evidence in evidence_by_type()]
    content = {"sections": sections, "authority": authority, "base": base, "may_draft": may_draft}
    return render(request, "reports/thresholds.html", {**content, "page_name": "reports:thresholds"})


@require_POST
@login_required
def draft_threshold(request: ConsoleRequest) -> HttpResponse:
    """Write a threshold into the draft of policy, where it is rehearsed and published as any other change."""
    if not request.user.has_perm("approvals.change_actiontype"):
        raise PermissionDenied
    form = DraftForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("It cannot be drafted: it lies below the threshold from which people are asked."))
        return redirect("reports:thresholds")
    versions.draft_threshold(form.cleaned_data["type"], form.cleaned_data["threshold"])
    return redirect("admin:approvals_policyversion_draft")


class DraftForm(forms.Form):
    """One of the grid's thresholds for one action type."""

    type = forms.ModelChoiceField(ActionType.objects.filter(active=True))
    threshold = forms.TypedChoiceField(choices=[(str(at), str(at)) for at in GRID], coerce=Decimal)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        type, threshold = data.get("type"), data.get("threshold")
        if type is not None and threshold is not None and threshold < type.review_threshold:
            raise ValidationError(_("Below the threshold from which a person is asked."))
        return data


# --- Sentences


def _section(evidence: TypeEvidence, base: str, *, may_draft: bool) -> TypeSection:
    cells = [_line(cell) for cell in evidence.cells]
    points = evidence.points
    return TypeSection(
        evidence=evidence,
        sentence=_type_sentence(evidence, cells),
        cells=cells,
        chart=_chart(points, base) if evidence.labels >= FEW and points else None,
        keys=[("line-main", _("Reviewers' time saved")), ("line-second", _("Expected cost of errors"))],
        curve=[_row(point, evidence, cells, may_draft=may_draft) for point in points],
        advice=[sentence for band in evidence.bands if (sentence := _advice(band))],
    )


def _type_sentence(evidence: TypeEvidence, cells: Sequence[CellLine]) -> str:
    opened = sum(cell.opens_gate for cell in cells)
    if opened:
        return ngettext(
            "%(n)d of %(all)d agents and versions passes below the declared threshold of %(auto)s.",
            "%(n)d of %(all)d agents and versions pass below the declared threshold of %(auto)s.",
            opened,
        ) % {"n": opened, "all": len(cells), "auto": _number(evidence.type.auto_threshold)}
    return _("Nothing passes below the declared threshold of %(auto)s; %(labels)s labels so far.") % {
        "auto": _number(evidence.type.auto_threshold),
        "labels": f"{evidence.labels:,}",
    }


def _line(evidence: CellEvidence) -> CellLine:
    if evidence.certificate:
        return CellLine(evidence, _claim(evidence, evidence.certificate), _by_what(evidence.certificate), True)
    if evidence.advisory and evidence.bar:
        sentence = _("%(needed)s If everybody read carefully, %(at)s would be certified now.") % {
            "needed": _needed(evidence),
            "at": _number(evidence.advisory.threshold),
        }
        return CellLine(evidence, sentence, "", False)
    if evidence.advisory:
        advice = _("Advice only, since no seeded cases say how well people read: %(claim)s") % {
            "claim": _claim(evidence, evidence.advisory)
        }
        return CellLine(evidence, advice, _by_what(evidence.advisory), False)
    return CellLine(evidence, _needed(evidence), "", False)


def _claim(evidence: CellEvidence, certificate: Certificate) -> str:
    return _(
        "Of the proposals of this cell at or above %(at)s, at most %(target)s would have been changed or stopped by a "
        "careful reader. This sentence is wrong with a probability of at most %(delta)s, at whatever moment you look."
    ) % {
        "at": _number(certificate.threshold),
        "target": percent(float(certificate.target)),
        "delta": percent(float(certificate.delta)),
    }


def _by_what(certificate: Certificate) -> str:
    """Which labels, what is assumed, and what would make it false."""
    sentences = [
        _("By %(labels)s labels of this agent, version and impact alone, in term %(term)d, held against %(bar)s.")
        % {
            "labels": f"{certificate.labels:,}",
            "term": certificate.term + 1,
            "bar": f"{100 * certificate.bar:.1f} %",
        },
        _("It assumes the same traffic as so far")
        + (_(" and careful readers. ") if certificate.advisory else ". ")
        + _("It is false where other proposals come, or faults are never found within the horizon."),
        _("More wrong ones, fewer faults caught, a severe incident, another version or another policy end it."),
    ]
    return " ".join(sentences)


def _needed(evidence: CellEvidence) -> str:
    if evidence.share == 0:
        return _("Nothing of what passes is looked at, so nothing can be certified: give the action a share.")
    if evidence.needed is not None:
        more = _more(evidence.needed, evidence.share)
        return _("Not certified yet: %(more)s without a fault would do.") % {"more": more}
    if evidence.needed_if_careful is None:
        return _("No number of labels is enough by now: too many were wrong, or shares differ too much.")
    more = _more(evidence.needed_if_careful, evidence.share)
    return _(
        "Nothing opens by itself without seeded cases. For advice that assumes careful readers: %(more)s without a "
        "fault."
    ) % {"more": more}


def _more(labels: int, share: float | None) -> str:
    sentence = ngettext("%(n)s more label", "%(n)s more labels", labels) % {"n": f"{labels:,}"}
    if not share:
        return sentence
    passed = _(" (at a draw of %(share)s about %(many)s passed actions)") % {
        "share": percent(share),
        "many": f"{round(labels / share):,}",
    }
    return f"{sentence}{passed}"


def _advice(band: ScoreBand) -> str:
    """The common weekly rule, as a hint with its interval; nothing where the interval leaves it open."""
    right = 1 - (band.wrong.share or 0)
    facts = {
        "low": f"{band.low:.2f}",
        "high": f"{band.high:.2f}",
        "right": percent(right),
        "wrong": percent(1 - right),
        "from": percent(1 - band.wrong.high),
        "to": percent(1 - band.wrong.low),
        "wrong_from": percent(band.wrong.low),
        "wrong_to": percent(band.wrong.high),
        "labels": f"{band.wrong.whole:,}",
    }
    if right >= RELAX:
        return (
            _(
                "Hint, not certified: from %(low)s to %(high)s %(right)s were right as proposed (%(from)s to %(to)s, "
                "%(labels)s labels). This band may ask less."
            )
            % facts
        )
    if 1 - right > ASK_MORE:
        return (
            _(
                "Hint, not certified: from %(low)s to %(high)s %(wrong)s were wrong (%(wrong_from)s to %(wrong_to)s, "
                "%(labels)s labels). This band should ask more."
            )
            % facts
        )
    return ""


# --- The trade-off


def _chart(points: Sequence[TradeOffPoint], base: str) -> Line | None:
    def at(point: TradeOffPoint, value: Decimal | None) -> ChartPoint:
        shown = None if value is None else float(value)
        return ChartPoint(f"{point.threshold:.2f}", shown, note=f"{point.threshold:.2f}: {_money(value)} {base}")

    traces = [("line-main", [at(point, point.saved) for point in points])]
    if any(point.cost is not None for point in points):
        traces.append(("line-second", [at(point, point.cost) for point in points]))
    most = max((point.value or 0) for _look, shown in traces for point in shown)
    return charts.line(
        _("Saved against risked, by threshold"),
        _("Per 1,000 proposals, in %(base)s: what reviewers' time would save, and what errors are expected to cost.")
        % {"base": base},
        traces,
        steps=count_steps(most),
        label=lambda value: f"{value:,.0f}",
    )


def _row(point: TradeOffPoint, evidence: TypeEvidence, cells: Sequence[CellLine], *, may_draft: bool) -> CurveRow:
    today = float(evidence.type.auto_threshold) == point.threshold
    certified = any(
        cell.evidence.certificate and float(cell.evidence.certificate.threshold) <= point.threshold for cell in cells
    )
    marks = [*([_("today")] if today else []), *([_("certified for some")] if certified else [])]
    return CurveRow(
        at=f"{point.threshold:.2f}",
        passes=f"{point.passes:,.0f}",
        minutes=f"{point.minutes:,.0f}",
        saved=_money(point.saved),
        wrong=f"{point.wrong:,.1f}",
        cost=_money(point.cost),
        net=_money(point.net),
        marks=marks,
        may_draft=may_draft and not today and point.threshold >= float(evidence.type.review_threshold),
    )


def _money(value: Decimal | None) -> str:
    return DASH if value is None else f"{value:,.0f}"


def _number(value: Decimal) -> str:
    return f"{value.normalize():f}"
