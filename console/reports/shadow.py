"""The report on shadow mode: what would have been asked, and the same as CSV."""

from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseBase
from django.urls import reverse

from approvals.evidence.shadows import ShadowCount, shadow_counts
from console.http import ConsoleRequest
from console.labels import CODES
from console.reports import exports
from console.reports.selection import SelectionForm, address
from console.reports.views import download, page, report_view


@report_view("shadow", SelectionForm)
def shadow(request: ConsoleRequest, form: SelectionForm) -> HttpResponse:
    pairs = [
        (shadow_count, _named(shadow_count), _rows(shadow_count, "asked"), _rows(shadow_count, "refused"))
        for shadow_count in shadow_counts(form.selection)
    ]
    return page(request, "shadow", form, {"pairs": pairs, "csv": address(form, "reports:shadow_csv")})


@report_view("shadow", SelectionForm)
def shadow_csv(request: ConsoleRequest, form: SelectionForm) -> HttpResponseBase:
    return download(form, "shadow", "".join(exports.shadow(shadow_counts(form.selection))))


def _named(pair: ShadowCount) -> list[tuple[str, int]]:
    return [(str(CODES.get(code, code)), many) for code, many in pair.reasons.items()]


def _rows(pair: ShadowCount, what: str) -> str:
    """The history of what a number counts, newest first."""
    return f"{reverse('history:history')}?{urlencode({'type': pair.action_type, 'agent': pair.agent, 'shadow': what})}"
