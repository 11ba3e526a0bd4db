"""What was decided: by oneself and by others, newest first."""

from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib.auth.decorators import login_required
from django.db.models import F, Q
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from approvals.db import cursors, times
from approvals.db.cursors import Position
from approvals.db.search import matching
from approvals.models import ActionType, User
from approvals.models.policy import Verdict
from approvals.models.states import Kind, Route, Status
from approvals.people import access, authorities
from console import query_filters
from console.http import ConsoleRequest, is_fragment
from console.inbox import rows
from console.inbox.filters import first_of
from console.list_filter import ListFilter
from console.query import QueryFilter

PAGE = 50


class HistoryFilter(ListFilter):
    """The filters of the history."""

    by = forms.ChoiceField(
        required=False,
        label=_("Decided by"),
        choices=[
            ("", _("Everybody")),
            ("me", _("Me")),
            ("policy", _("Policy")),
            ("timeout", _("Silence")),
            ("grant", _("A standing approval or plan")),
        ],
    )
    verdict = forms.ChoiceField(required=False, label=_("Verdict"), choices=[("", _("Any verdict")), *Verdict.choices])
    status = forms.ChoiceField(
        required=False,
        label=_("State"),
        choices=[
            ("", _("Any state")),
            *((s.value, s.label) for s in Status if s != Status.PENDING),
            ("unconfirmed", _("Outcome unknown")),
        ],
    )
    type = forms.ChoiceField(required=False, label=_("Action"))
    agent = forms.ChoiceField(required=False, label=_("Agent"))
    shadow = forms.ChoiceField(
        required=False,
        label=_("Shadow mode"),
        choices=[
            ("", _("In shadow or not")),
            ("asked", _("Shadow: would have asked")),
            ("refused", _("Shadow: would have been refused")),
        ],
    )
    grant = forms.UUIDField(required=False)  # what one standing approval let pass
    plan = forms.UUIDField(required=False)  # or one approved plan

    def __init__(self, data: object, user: User) -> None:
        super().__init__(data)
        self.user = user
        types = ActionType.objects.order_by("title").values_list("name", "title")
        self.choose("type", [("", _("All actions")), *types])

    takes_terms = True

    @cached_property
    def query_filters(self) -> list[QueryFilter]:
        return query_filters.history_filters(self.user)

    def condition(self) -> Q:
        """What the filters that are set ask of an approval; empty where none is."""
        active, now = self.active, times.now()
        query = self.query(now)
        condition = matching(query.text) & query.condition
        if by := active.get("by"):
            condition &= Q(decided_by=self.user) if by == "me" else Q(source=by)
        if verdict := active.get("verdict"):
            condition &= Q(verdict=verdict)
        status = active.get("status")
        if status == "unconfirmed":
            condition &= query_filters.unconfirmed(now)
        elif status:
            condition &= Q(status=status)
        if name := active.get("type"):
            condition &= Q(action_type_id=name)
        if agent := active.get("agent"):
            condition &= Q(agent__name=agent)
        if shadow := active.get("shadow"):
            condition &= query_filters.in_shadow(Route.REJECT if shadow == "refused" else Route.REVIEW)
        if grant := active.get("grant"):
            condition &= Q(grant_id=UUID(str(grant)))
        if plan := active.get("plan"):
            condition &= Q(plan_id=UUID(str(plan)))
        return condition


@login_required
@require_safe
def history(request: ConsoleRequest) -> HttpResponse:
    """Settled approvals this person may see. Newest by arrival, which is what the ids follow."""
    chosen = HistoryFilter(request.GET, request.user)
    authority = authorities.authority_of(request.user)
    # Texts are searched where they may be read; of the rest there are the facts around it.
    searched = access.readable_to if chosen.query(times.now()).reads_content else access.visible_to
    settled = rows.with_row_relations(searched(request.user, authority)).exclude(status=Status.PENDING)
    if not chosen.active.get("type"):
        settled = settled.exclude(kind=Kind.CANARY)
    position = cursors.read(request.GET.get("after", ""), "history")
    if position:
        settled = settled.filter(position.older("created_at"))
    page_rows = first_of(settled, chosen.condition(), F("created_at"), PAGE + 1, newest=True)
    shown = page_rows[:PAGE]
    cursor = cursors.write("history", Position(shown[-1].created_at, shown[-1].pk)) if len(page_rows) > PAGE else ""
    context = {
        "approvals": [(one, access.sees_content(one, request.user, authority)) for one in shown],
        "filter": chosen,
        "more": urlencode({**chosen.active, "after": cursor}) if cursor else "",
    }
    return render(request, "_history_rows.html" if is_fragment(request) and position else "history.html", context)


@login_required
@require_safe
def terms(request: ConsoleRequest) -> HttpResponse:
    """The filters that the search of the history takes, for its box to offer."""
    return JsonResponse({"filters": HistoryFilter({}, request.user).offers})
