"""The audit log of what concerns no approval, and the verification of all of history."""

from collections.abc import Iterator

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from approvals.history import seal
from approvals.models import SystemAuditEvent, User
from approvals.people import authorities
from console.http import ConsoleRequest
from console.reports import exports

PAGE = 100


class AuditLogFilter(forms.Form):
    """What of the log is shown; what is not valid is not applied."""

    kind = forms.ChoiceField(
        required=False, label=_("Event"), choices=[("", _("All events")), *SystemAuditEvent.Kind.choices]
    )
    subject = forms.CharField(required=False, max_length=200, label=_("Person, agent or policy version"))
    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)

    def valid(self, name: str) -> object:
        self.is_valid()
        return self.cleaned_data.get(name)


@login_required
@require_safe
def audit_log(request: ConsoleRequest) -> HttpResponse:
    """System events, newest first."""
    _reader_or_403(request.user)
    return _page(request)


@login_required
@require_POST
def verify(request: ConsoleRequest) -> HttpResponse:
    """Recompute every chain and the rows they tell of, and say what was found: the same as `verify_audit`."""
    _reader_or_403(request.user)
    verification = seal.verify(checkpoints=settings.ASSENT_CHECKPOINT_FILE)
    return _page(request, verification=verification)


@login_required
@require_safe
def audit_log_csv(request: ConsoleRequest) -> StreamingHttpResponse:
    """The whole log as CSV, oldest first."""
    if not authorities.authority_of(request.user).auditor:
        raise PermissionDenied
    response = StreamingHttpResponse(_lines(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="audit-log.csv"'
    return response


def _lines() -> Iterator[str]:
    yield from exports.system_events(SystemAuditEvent.objects.order_by("seq").iterator(chunk_size=500))


def _reader_or_403(user: User) -> None:
    if not authorities.authority_of(user).reads_audit_log:
        raise PermissionDenied


def _page(request: ConsoleRequest, *, verification: seal.Verification | None = None) -> HttpResponse:
    chosen = AuditLogFilter(request.GET)
    events = SystemAuditEvent.objects.order_by("-seq")
    if kind := chosen.valid("kind"):
        events = events.filter(kind=kind)
    if subject := chosen.valid("subject"):
        events = events.filter(subject=subject)
    if before := chosen.valid("before"):
        events = events.filter(seq__lt=before)
    audit_events = list(events.select_related("seal")[: PAGE + 1])
    context = {
        "events": audit_events[:PAGE],
        "before": audit_events[PAGE - 1].seq if len(audit_events) > PAGE else None,
        "kinds": AuditLogFilter.base_fields["kind"].choices,  # type: ignore[attr-defined]  # of a ChoiceField
        "kind": kind or "",
        "subject": subject or "",
        "verification": verification,
        "exports": authorities.authority_of(request.user).auditor,
    }
    return render(request, "audit_log.html", context)
