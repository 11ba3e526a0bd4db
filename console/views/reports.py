"""What managers read: figures, the rows behind each of them, calibration, and both as CSV."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TypeVar

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from approvals.evidence import metrics
from approvals.evidence import selection as cohorts
from approvals.evidence.calibration import calibration
from approvals.evidence.metrics import Figures, Group, Report
from approvals.evidence.selection import ROW_SETS, Place
from approvals.models import User
from approvals.review import access
from approvals.review.access import Authority
from console import exports, plots
from console.filters import count_of, make_cursor, read_cursor
from console.http import ConsoleRequest, is_fragment
from console.selection import RowsForm, SelectionForm, address

PAGE = 50
Chosen = TypeVar("Chosen", bound=SelectionForm)


def reader_or_403(user: User, *, team: bool) -> Authority:
    """The rights of somebody who may read reports; `team` demands those who read everybody's figures."""
    authority = access.authority_of(user)
    if authority.sees_all or (authority.reviews and not team):
        return authority
    raise PermissionDenied


def reading(
    name: str, shape: type[Chosen], *, team: bool = True
) -> Callable[[Callable[[ConsoleRequest, Chosen], HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """A view over a selection: it gets the form of one that can be; what cannot be is said on the page `name`, 422.

    `team` demands somebody who reads everybody's figures.
    """

    def made(view: Callable[[ConsoleRequest, Chosen], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @require_safe
        @login_required
        @wraps(view)
        def asked(request: ConsoleRequest) -> HttpResponseBase:
            form = shape(request.GET, reader_or_403(request.user, team=team))
            if not form.is_valid():
                return page(request, name, form, {}, status=422)
            return view(request, form)

        return asked

    return made


@reading("report", SelectionForm, team=False)
def report(request: ConsoleRequest, form: SelectionForm) -> HttpResponse:
    found = metrics.report(form.selection)
    personal = form.selection.person is not None
    content = {
        "report": found,
        "personal": personal,
        "exhibits": plots.exhibits(found, own=personal),
        "groups": tables(form, found, personal=personal),
        "why": reasons(),
        "row_sets": ROW_SETS.values(),
        "columns": [(column.name, column.meaning) for column in exports.DECISIONS],
    }
    return page(request, "report", form, content)


@reading("rows", RowsForm, team=False)
def rows(request: ConsoleRequest, form: RowsForm) -> HttpResponse:
    found = cohorts.rows(form.selection, form.row_set).select_related("agent", "action_type", "decided_by", "proposal")
    found = found.annotate(took=F("decided_at") - F("created_at"))
    place = read_cursor(request.GET.get("after", ""))
    at = Place(place[0], place[1]) if place and place[0] else None
    ahead = list((cohorts.after(found, at) if at else found)[: PAGE + 1])
    shown = ahead[:PAGE]
    content = {
        "row_set": ROW_SETS[form.row_set],
        "count": count_of(found),
        "rows": [(one, access.sees_content(one, request.user, form.authority)) for one in shown],
        "is_first": at is None,
        "next": make_cursor(shown[-1].created_at, shown[-1].pk) if len(ahead) > PAGE else "",
    }
    return page(request, "rows", form, content)


@reading("calibration", SelectionForm)
def confidence(request: ConsoleRequest, form: SelectionForm) -> HttpResponse:
    """The calibration page."""
    found = calibration(form.selection)
    chosen = found.by_type[0] if form.selection.action_type and found.by_type else found.overall
    content = {
        "calibration": found,
        "heading": dict(form.choices["type"])[form.selection.action_type or ""],
        "chosen": chosen,
        "diagram": plots.reliability(chosen),
        "verdict": plots.verdict(chosen),
        "matrix": [(one, plots.verdict(one)) for one in found.by_type],
    }
    return page(request, "calibration", form, content)


@reading("rows", RowsForm)
def decisions_csv(request: ConsoleRequest, form: RowsForm) -> HttpResponseBase:
    """The rows of a row set, everything that arrived where none is named."""
    return download(form, "decisions", exports.decisions(form.selection, form.row_set))


@reading("report", SelectionForm)
def figures_csv(request: ConsoleRequest, form: SelectionForm) -> HttpResponseBase:
    return download(form, "figures", "".join(exports.figures(metrics.report(form.selection))))


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table of groups: `href` narrows the page to it, `rows` open what its numbers count."""

    key: str
    name: str
    figures: Figures
    href: str
    rows: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Table:
    """Groups under one heading; `parameter` is the filter that narrows to one of them.

    `decided_only`: they count what one person or each person decided, so volume and escalations say nothing.
    """

    parameter: str
    title: str
    column: str
    lines: Sequence[Line]
    decided_only: bool
    note: str = ""

    @property
    def has_trend(self) -> bool:
        return self.parameter == "type"

    @property
    def empty(self) -> str:
        if self.parameter == "person":
            return _("Nobody decided %(least)d or more in this selection.") % {"least": metrics.PERSON_NEEDS}
        return _("Nothing arrived in this selection.")


def tables(form: SelectionForm, found: Report, *, personal: bool) -> list[Table]:
    """The report by action type, agent, tier and person; a person's own has no people."""

    def lines(parameter: str, groups: Sequence[Group], value: str = "key") -> list[Line]:
        made = []
        for group in groups:
            narrower = {parameter: getattr(group, value)}
            rows = {name: address(form, "report_rows", of=name, **narrower) for name in ROW_SETS}
            made.append(Line(group.key, group.name, group.figures, address(form, "report", **narrower), rows))
        return made

    groups = [
        Table("type", _("By action"), _("Action"), lines("type", found.by_type), personal),
        Table("agent", _("By agent"), _("Agent"), lines("agent", found.by_agent, "name"), personal),
        Table("tier", _("By tier"), _("Started in tier"), lines("tier", found.by_tier), personal),
    ]
    if personal:
        return groups
    few = ""
    if found.few:
        few = _("%(few)d more decided fewer than %(least)d each; so few say more about chance than about a person.") % {
            "few": found.few,
            "least": metrics.PERSON_NEEDS,
        }
    return [*groups, Table("person", _("By person"), _("Person"), lines("person", found.by_person), True, few)]


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


def download(form: SelectionForm, what: str, content: object) -> HttpResponseBase:
    first, last = form.days
    kind = "text/csv; charset=utf-8"
    headers = {
        "Content-Disposition": f'attachment; filename="assent-{what}-{first}-{last}.csv"',
        "Cache-Control": "private, no-store",
    }
    if isinstance(content, str):
        return HttpResponse(content, content_type=kind, headers=headers)
    return StreamingHttpResponse(content, content_type=kind, headers=headers)  # type: ignore[arg-type]  # async rows
