"""The report on model changes: each agent before and after the version that it states now."""

from django.http import HttpResponse
from django.utils.translation import gettext as _

from approvals.evidence.version_changes import Turn, VersionChange, version_changes
from console.http import ConsoleRequest
from console.reports.axes import percent
from console.reports.selection import SelectionForm, address
from console.reports.views import page, report_view


@report_view("versions", SelectionForm)
def versions(request: ConsoleRequest, form: SelectionForm) -> HttpResponse:
    """Who got worse since its model changed, in words, and all changes as a table."""
    changes = version_changes(form.selection)
    lines = [(change, turn_title(change.turn), *_rows(form, change)) for change in changes]
    worse = [sentence(change) for change in changes if change.turn is Turn.WORSE]
    return page(request, "versions", form, {"changes": lines, "worse": worse})


def sentence(change: VersionChange) -> str:
    """What a version changed for the worse."""
    share, low, high = change.difference
    return _(
        "%(agent)s got worse at %(title)s with %(version)s: people approved %(after)s of %(many)d unchanged, "
        "%(before)s of %(earlier)d before (%(gap)+.0f points, interval %(low)+.0f to %(high)+.0f)."
    ) % {
        "agent": change.agent,
        "title": change.title,
        "version": change.version_after,
        "after": percent(change.after.approval.share or 0),
        "many": change.after.judged,
        "before": percent(change.before.approval.share or 0),
        "earlier": change.before.judged,
        "gap": share * 100,
        "low": low * 100,
        "high": high * 100,
    }


def turn_title(turn: Turn) -> str:
    """What is certain of a change, in a word or two."""
    titles = {
        Turn.WORSE: _("worse"),
        Turn.BETTER: _("better"),
        Turn.SAME: _("no certain change"),
        Turn.FEW: _("too few to say"),
    }
    return titles[turn]


def _rows(form: SelectionForm, change: VersionChange) -> tuple[str, str]:
    """The rows behind what was decided before and after."""
    narrower = {"agent": change.agent, "type": change.action_type, "of": "judged"}
    return (
        address(form, "reports:rows", version=change.version_before, **narrower),
        address(form, "reports:rows", version=change.version_after, **narrower),
    )
