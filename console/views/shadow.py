"""The report on shadow mode: what would have been asked, and the same as CSV."""

from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseBase
from django.urls import reverse

from approvals.evidence.shadows import Pair, shadows
from console import exports
from console.http import ConsoleRequest
from console.selection import SelectionForm, address
from console.views.reports import download, page, reading
from console.words import CODES


@reading("shadow", SelectionForm)
def shadow(request: ConsoleRequest, form: SelectionForm) -> HttpResponse:
    pairs = [(one, _named(one), _rows(one, "asked"), _rows(one, "refused")) for one in shadows(form.selection)]
    return page(request, "shadow", form, {"pairs": pairs, "csv": address(form, "report_shadow_csv")})


@reading("shadow", SelectionForm)
def shadow_csv(request: ConsoleRequest, form: SelectionForm) -> HttpResponseBase:
    return download(form, "shadow", "".join(exports.shadow(shadows(form.selection))))


def _named(pair: Pair) -> list[tuple[str, int]]:
    return [(str(CODES.get(code, code)), many) for code, many in pair.reasons.items()]


def _rows(pair: Pair, what: str) -> str:
    """The history of what a number counts, newest first."""
    return f"{reverse('history')}?{urlencode({'type': pair.action_type, 'agent': pair.agent, 'shadow': what})}"
