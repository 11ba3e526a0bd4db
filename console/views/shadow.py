"""The report on shadow mode: what would have been asked, and the same as CSV."""

from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_safe

from approvals.evidence.shadows import Pair, shadows
from console import exports
from console.http import ConsoleRequest
from console.selection import SelectionForm, address
from console.views.reports import _download as download
from console.views.reports import _page as page
from console.views.reports import reader_or_403
from console.words import CODES


@require_safe
@login_required
def shadow(request: ConsoleRequest) -> HttpResponse:
    authority = reader_or_403(request.user, team=True)
    form = SelectionForm(request.GET, authority)
    if not form.is_valid():
        return page(request, "shadow", form, {}, status=422)
    pairs = [(one, _named(one), _rows(one, "asked"), _rows(one, "refused")) for one in shadows(form.selection)]
    return page(request, "shadow", form, {"pairs": pairs, "csv": address(form, "report_shadow_csv")})


@require_safe
@login_required
def shadow_csv(request: ConsoleRequest) -> HttpResponseBase:
    authority = reader_or_403(request.user, team=True)
    form = SelectionForm(request.GET, authority)
    if not form.is_valid():
        return page(request, "shadow", form, {}, status=422)
    return download(form, "shadow", "".join(exports.shadow(shadows(form.selection))))


def _named(pair: Pair) -> list[tuple[str, int]]:
    return [(str(CODES.get(code, code)), many) for code, many in pair.reasons.items()]


def _rows(pair: Pair, what: str) -> str:
    """The history of what a number counts, newest first."""
    return f"{reverse('history')}?{urlencode({'type': pair.action_type, 'agent': pair.agent, 'shadow': what})}"
