"""What waits for a person: the list, its filters, and the same list beside an open card."""

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.db.models import Count, QuerySet
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from approvals.db import times
from approvals.decisions import agent_questions, batches
from approvals.models import Approval, NotificationRecord, Tier, User
from approvals.models.states import OPEN, Status, queue_name
from approvals.notify import reached
from approvals.people import access
from console.card import toasts
from console.http import ConsoleRequest, is_fragment
from console.inbox import live, rows
from console.inbox.filters import MOST, InboxFilter, count_of, page_of

LAST = 5
ALIKE = 3  # groups offered above the list


@login_required
@require_safe
def inbox(request: ConsoleRequest) -> HttpResponse:
    """The whole page; for htmx the list alone, or with a cursor its next rows, and what became of its open card."""
    context = list_context(request)
    if not is_fragment(request):
        return render(request, "inbox.html", context)
    if request.GET.get("after"):
        response = render(request, "_rows.html", context)
    elif request.htmx.target == "rows":
        # The page re-reads: it keeps its own address and takes the count along.
        response = render(request, "_rows.html", context)
        response["X-Waiting"] = str(context["waiting_number"])
    else:
        response = render(request, "_list.html", context)
        response["HX-Replace-Url"] = reverse("inbox:inbox") + str(context["query"])
    _say_of_card(request, response)
    return response


def _say_of_card(request: ConsoleRequest, response: HttpResponse) -> None:
    """The state of the card that is open beside the list, whether or not its row is on this page of it."""
    with suppress(ValueError):
        pk = UUID(request.headers.get("X-Card", ""))
        approval = access.visible_to(request.user).filter(pk=pk).first()
        # What a person may not see any more has no state: its card is not what it was.
        response["X-Card"] = json.dumps(rows.state_of(approval) if approval else {"id": str(pk)})


@login_required
@require_safe
def pane(request: ConsoleRequest) -> HttpResponse:
    """What stands beside the list while no card is open."""
    return render(request, "_overview.html", list_context(request))


@login_required
@require_safe
def terms(request: ConsoleRequest) -> HttpResponse:
    """The filters that the search of the inbox takes, for its box to offer."""
    return JsonResponse({"filters": InboxFilter({}, request.user, live.watch_of(request.user).queues).offers})


@require_safe
@cache_control(public=True, max_age=86400)
def favicon(request: ConsoleRequest, count: int) -> HttpResponse:
    """The mark with a count. No access check: it says only the number that it was asked for."""
    shown = "" if count == 0 else str(count) if count < 100 else "99"
    return render(request, "favicon.svg", {"shown": shown}, content_type="image/svg+xml")


def list_context(request: ConsoleRequest) -> dict[str, object]:
    """The list of this person under the filters of the URL, and what stands beside it."""
    user, now = request.user, times.now()
    watch = live.watch_of(user)
    waiting = access.inbox_of(user, watch.authority)
    chosen = InboxFilter(request.GET, user, watch.queues)
    # What is held waits for nobody: it shows greyed in place, and a new list leaves it out. So is what was set aside.
    pending = access.waiting_of(user, watch.authority, now=now)
    listed = waiting.filter(status=Status.PENDING) if chosen.active.get("mine") == "snoozed" else pending
    page = page_of(
        rows.with_row_relations(listed),
        chosen.condition(now),
        request.GET.get("after", ""),
        first=agent_questions.answered_for(user),
    )
    total = count_of(pending)
    mine = [one for one in page.approvals if watch.authority.decides(one.tier_id, one.domain_id, one.agent_id)]
    reached.record_notified(reached.waiting_places(mine), NotificationRecord.By.INBOX)
    return {
        "now": now,
        "server_now": now,
        "page": page,
        "filter": chosen,
        "query": f"?{urlencode(chosen.active)}" if chosen.active else "",
        "more": urlencode({**chosen.active, "after": page.cursor}),
        "filter_json": json.dumps(chosen.active),
        "groups": _template_groups(page.approvals),
        "waiting": total,
        "waiting_number": total,
        "live": bool(watch),
        "waits": _by_queue(pending, total, chosen.queues),
        "elsewhere": [] if page.approvals else SimpleLazyObject(lambda: _elsewhere(waiting)),
        "last": SimpleLazyObject(lambda: _last_decided(user, now)),
        "toasts": SimpleLazyObject(lambda: toasts.held_by(user)),
    }


def filters_of(request: ConsoleRequest) -> dict[str, str]:
    """The filters that the URL carries along, as they are."""
    return {name: request.GET[name][:200] for name in InboxFilter.base_fields if request.GET.get(name)}


def _template_groups(approvals: list[Approval]) -> list[dict[str, object]]:
    groups = []
    for group in batches.batch_groups(approvals)[:ALIKE]:
        first = group.approvals[0]
        values = sorted(one.value for one in group.approvals if one.value is not None)
        groups.append(
            {
                "key": f"{group.action_type}|{group.tier}",
                "count": len(group.approvals),
                "title": first.action_type.title if first.action_type else "",
                "tier": first.tier.name,
                "range": _("%(low)s to %(high)s") % {"low": f"{values[0]:,.2f}", "high": f"{values[-1]:,.2f}"}
                if values
                else "",
            }
        )
    return groups


def _by_queue(pending: QuerySet[Approval], total: int, titles: Mapping[str, str]) -> list[dict[str, object]]:
    """Counts by queue; where more than a thousand wait, no counts, since counting them all costs too much."""
    if total > MOST:
        return []
    counted = pending.order_by().values("tier_id", "domain_id").annotate(n=Count("pk")).order_by("tier_id", "domain_id")
    counts = [(queue_name(row["tier_id"], row["domain_id"]), row["n"]) for row in counted]
    return [{"queue": name, "name": titles.get(name, name), "count": count} for name, count in counts]


def _elsewhere(mine: QuerySet[Approval]) -> list[dict[str, object]]:
    """How many wait in tiers that this person does not review; numbers only."""
    own = list(mine.order_by().values_list("pk", flat=True)[: MOST + 1])
    others = Approval.objects.filter(status__in=OPEN).exclude(pk__in=own)
    held = count_of(mine.filter(status=Status.HELD))
    counts = [(_("in their undo window"), held)]
    counts += [(tier.name, count_of(others.filter(tier=tier))) for tier in Tier.objects.order_by("level")]
    return [{"name": name, "count": count} for name, count in counts if count]


def _last_decided(user: User, now: datetime) -> list[Approval]:
    decided = rows.with_row_relations(
        Approval.objects.filter(decided_by=user, decided_at__gte=now - timedelta(days=90))
    )
    return list(decided.order_by("-decided_at", "-pk")[:LAST])
