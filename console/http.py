"""What a page's view may rely on: a signed-in person, and only approvals that this person may see."""

from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest
from django_htmx.middleware import HtmxDetails

from approvals.models import Approval, User
from approvals.people import access, authorities


class ConsoleRequest(HttpRequest):
    """A request behind `login_required` and the htmx middleware."""

    user: User
    htmx: HtmxDetails


# Of people a card reads the names.
_UNREAD = [
    f"{relation}__{field.name}"
    for relation in ("claimed_by", "decided_by")
    for field in User._meta.concrete_fields
    if field.name not in ("id", "username", "first_name", "is_active")
]


def visible_or_404(user: User, pk: UUID, authority: authorities.Authority | None = None) -> Approval:
    """The approval with everything its card names; what the person may not see does not exist for them."""
    relations = (
        "agent",
        "action_type",
        "domain",
        "tier",
        "proposal",
        "claimed_by",
        "decided_by",
        "request__run",
        "policy",
    )
    try:
        return access.visible_to(user, authority).select_related(*relations).defer(*_UNREAD).get(pk=pk)
    except Approval.DoesNotExist:
        raise Http404 from None


def content_or_404(user: User, pk: UUID) -> Approval:
    """The same for whoever also reads arguments and texts."""
    authority = authorities.authority_of(user)
    approval = visible_or_404(user, pk, authority)
    if not access.sees_content(approval, user, authority):
        raise Http404
    return approval


def is_fragment(request: ConsoleRequest) -> bool:
    """True where htmx asks for a part; a boosted or restored page is a whole one."""
    return bool(request.htmx) and not request.htmx.boosted and not request.htmx.history_restore_request


def query_string(request: HttpRequest, *names: str) -> str:
    """The named parameters of the URL that are set, as "?a=b", or "" for none."""
    kept = [(name, request.GET[name]) for name in names if request.GET.get(name)]
    return f"?{urlencode(kept)}" if kept else ""
