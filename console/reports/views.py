"""What managers read: figures, the rows behind each of them, and both as files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TypeVar

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from approvals.db import cursors
from approvals.db.cursors import Position
from approvals.evidence import metrics
from approvals.evidence import selection as cohorts
from approvals.evidence.advice import advice, band_ends
from approvals.evidence.metrics import FigureGroup, Figures, Report
from approvals.evidence.selection import ROW_SETS, VOTED
from approvals.models import User
from approvals.models.verdict import RejectionReason
from approvals.people import access, authorities
from approvals.people.authorities import Authority
from approvals.values.schema import Json
from console.http import ConsoleRequest, is_fragment
from console.inbox.filters import count_of
from console.reports import exports, plots
from console.reports.advice import sentence
from console.reports.selection import RowsForm, SelectionForm, address

PAGE = 50
REASONS = dict(RejectionReason.choices)
Chosen = TypeVar("Chosen", bound=SelectionForm)


def reader_or_403(user: User, *, team: bool) -> Authority:
    """The rights of somebody who may read reports; `team` demands those who read everybody's figures."""
    authority = authorities.authority_of(user)
    if authority.sees_all or (authority.reviews and not team):
        return authority
    raise PermissionDenied


def report_view(
    name: str, shape: type[Chosen], *, team: bool = True
) -> Callable[[Callable[[ConsoleRequest, Chosen], HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """A view over a selection: it gets the form of one that can be; what cannot be is said on the page `name`, 422.

    `team` demands somebody who reads everybody's figures.
    """

    def made(view: Callable[[ConsoleRequest, Chosen], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @require_safe
        @login_required
        @wraps(view)
        def checked_view(request: ConsoleRequest) -> HttpResponseBase:
            form = shape(request.GET, reader_or_403(request.user, team=team))
            if not form.is_valid():
                return page(request, name, form, {}, status=422)
            return view(request, form)

        return checked_view

    return made


@report_view("report", SelectionForm, team=False)
def report(request: ConsoleRequest, form: SelectionForm) -> HttpResponse:
    figures = metrics.report(form.selection)
    personal = form.selection.person is not None
    content = {
        "report": figures,
        "personal": personal,
        "exhibits": plots.report_charts(figures, own=personal),
        "groups": tables(form, figures, personal=personal),
        "advice": [] if personal else [sentence(hint) for hint in advice(form.selection)],
        "reasons": [(REASONS.get(topic.name, topic.name), topic) for topic in figures.rejected_for],
        "why": reasons(),
        "row_sets": ROW_SETS.values(),
        "columns": [(column.name, column.meaning) for column in exports.DECISIONS],
    }
    return page(request, "report", form, content)


@report_view("rows", RowsForm, team=False)
def rows(request: ConsoleRequest, form: RowsForm) -> HttpResponse:
    approvals = cohorts.rows(form.selection, form.row_set).select_related(
        "agent", "action_type", "decided_by", "proposal"
    )
    approvals = approvals.annotate(took=F("decided_at") - F("created_at"))
    position = cursors.read(request.GET.get("after", ""), "report rows")
    ahead = list((approvals.filter(position.older("created_at")) if position else approvals)[: PAGE + 1])
    shown = ahead[:PAGE]
    content = {
        "row_set": {**ROW_SETS, **VOTED}[form.row_set],
        "about": about(form.selection.topic or ""),
        "count": count_of(approvals),
        "rows": [(one, access.sees_content(one, request.user, form.authority)) for one in shown],
        "is_first": position is None,
        "next": cursors.write("report rows", Position(shown[-1].created_at, shown[-1].pk)) if len(ahead) > PAGE else "",
    }
    return page(request, "rows", form, content)


@report_view("rows", RowsForm)
def decisions_csv(request: ConsoleRequest, form: RowsForm) -> HttpResponseBase:
    """The rows of a row set, everything that arrived where none is named."""
    return download(form, "decisions", exports.decisions(form.selection, form.row_set))


@report_view("rows", RowsForm)
def decisions_jsonl(request: ConsoleRequest, form: RowsForm) -> HttpResponseBase:
    """The same with all that is known of each. Auditors read who decided; managers of whom they read figures."""
    lines = exports.log(form.selection, form.row_set, everybody=request.user.is_auditor)
    return download(form, "decisions", lines, "jsonl", "application/x-ndjson")


@report_view("report", SelectionForm)
def figures_csv(request: ConsoleRequest, form: SelectionForm) -> HttpResponseBase:
    return download(form, "figures", "".join(exports.figures(metrics.report(form.selection))))


@report_view("report", SelectionForm)
def figures_json(request: ConsoleRequest, form: SelectionForm) -> HttpResponseBase:
    """The same lines as JSON, for who computes on with them."""
    first, last = form.days
    rows = exports.figures_document(metrics.report(form.selection))
    return document({"first": first.isoformat(), "last": last.isoformat(), "figures": rows})


def document(content: Mapping[str, Json]) -> HttpResponse:
    """A report as JSON, which no cache keeps."""
    return JsonResponse(content, headers={"Cache-Control": "private, no-store"})


@dataclass(frozen=True, slots=True)
class GroupLine:
    """One line of a table of groups: `href` narrows the page to it, `rows` open what its numbers count."""

    key: str
    name: str
    figures: Figures
    href: str
    rows: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class GroupTable:
    """Groups under one heading; `parameter` is the filter that narrows to one of them.

    `decided_only`: they count what one person or each person decided, so volume and escalations say nothing.
    """

    parameter: str
    title: str
    column: str
    lines: Sequence[GroupLine]
    decided_only: bool
    note: str = ""

    @property
    def has_trend(self) -> bool:
        return self.parameter == "type"

    @property
    def empty(self) -> str:
        if self.parameter == "version":
            return _("No agent stated a version in this selection.")
        if self.parameter == "person":
            return _("Nobody decided %(least)d or more in this selection.") % {"least": metrics.PERSON_NEEDS}
        return _("Nothing arrived in this selection.")


def tables(form: SelectionForm, figures: Report, *, personal: bool) -> list[GroupTable]:
    """The report by action type, agent, version, domain, tier and person; a person's own has no people."""

    def lines(parameter: str, groups: Sequence[FigureGroup], value: str = "key") -> list[GroupLine]:
        made = []
        names = {str(pk): name for name, pk in form.agents.items()}
        for group in groups:
            narrower = {parameter: getattr(group, value)}
            if parameter == "version":
                narrower["agent"] = names[group.agent]
            rows = {name: address(form, "reports:rows", of=name, **narrower) for name in (*ROW_SETS, *VOTED)}
            made.append(
                GroupLine(group.key, group.name, group.figures, address(form, "reports:report", **narrower), rows)
            )
        return made

    groups = [
        GroupTable("type", _("By action"), _("Action"), lines("type", figures.by_type), personal),
        GroupTable("agent", _("By agent"), _("Agent"), lines("agent", figures.by_agent, "name"), personal),
        GroupTable("version", _("By stated version"), _("Version"), lines("version", figures.by_version), personal),
        GroupTable("domain", _("By domain"), _("Domain"), lines("domain", figures.by_domain), personal),
        GroupTable("tier", _("By tier"), _("Started in tier"), lines("tier", figures.by_tier), personal),
    ]
    if personal:
        return groups
    few = ""
    if figures.few:
        few = _("%(few)d more decided fewer than %(least)d each; so few say more about chance than about a person.") % {
            "few": figures.few,
            "least": metrics.PERSON_NEEDS,
        }
    return [*groups, GroupTable("person", _("By person"), _("Person"), lines("person", figures.by_person), True, few)]


def about(topic: str) -> str:
    """What a topic of the rollups is, on the page."""
    kind, _colon, name = topic.partition(":")
    if kind == "reason":
        return str(REASONS.get(name, name))
    if kind == "band":
        low, high = band_ends(int(name) if name.isdecimal() else 0)
        return _("confidence %(low).1f to %(high).1f") % {"low": low, "high": high}
    return name


def reasons() -> dict[str, str]:
    """Why there is no number, by what it would have been a share of."""
    return {
        "judged": _("Nobody decided a proposal in this selection."),
        "review": _("Nothing was routed to people in this selection."),
        "decided": _("Nobody decided anything in this selection."),
    }


def page(
    request: ConsoleRequest, name: str, form: SelectionForm, content: Mapping[str, object], *, status: int = 200
) -> HttpResponse:
    """A page of the reports, or only its body for htmx."""
    person = form.cleaned_data.get("person")
    context = {
        "form": form,
        "own": person == form.authority.user_id,
        "person": User.objects.filter(pk=person).first() if person else None,
        "authority": form.authority,
        **content,
    }
    template = f"reports/_{name}.html" if is_fragment(request) else f"reports/{name}.html"
    response = render(request, template, context, status=status)
    # One address, two bodies: a cache must not hand the part to somebody who asked for the page.
    response["Vary"] = "HX-Request, Cookie"
    if is_fragment(request):
        response["HX-Push-Url"] = address(form, request.resolver_match.view_name) if request.resolver_match else "false"
    return response


def download(
    form: SelectionForm, what: str, content: object, suffix: str = "csv", kind: str = "text/csv; charset=utf-8"
) -> HttpResponseBase:
    first, last = form.days
    headers = {
        "Content-Disposition": f'attachment; filename="assent-{what}-{first}-{last}.{suffix}"',
        "Cache-Control": "private, no-store",
    }
    if isinstance(content, str):
        return HttpResponse(content, content_type=kind, headers=headers)
    return StreamingHttpResponse(content, content_type=kind, headers=headers)  # type: ignore[arg-type]  # async rows
