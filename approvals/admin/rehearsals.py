"""A rehearsal on its page: asked for, awaited, and read by who may not open the cards, too."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.admin.base import signed_in
from approvals.models import Approval, Rehearsal, RoutingChange
from approvals.models.policy import Gate, Silence
from approvals.people import access, authorities
from approvals.policy.authoring import rehearsal_jobs, stage_rules, versions
from approvals.policy.authoring.rehearsal import MOST, Period
from approvals.policy.authoring.versions import NotPublished
from approvals.policy.messages import sentences
from approvals.policy.reasons import Row
from approvals.policy.snapshot import Unpublishable
from approvals.values import characters

SIZES = (100, 500, 1000, 5000, MOST)
ROWS = 50  # on one page
SUMMED = 12  # agents, action types, tiers that a sum names

# What is said of a movement for which no reason differs: it is the action type itself that does.
OF_THE_TYPE = {
    "tier_up": gettext_lazy("The lowest tier of the action type, or what a tier may decide, is higher."),
    "tier_down": gettext_lazy("The lowest tier of the action type, or what a tier may decide, is lower."),
    "stages_more": gettext_lazy("More people approve, one after the other."),
    "stages_fewer": gettext_lazy("Fewer people approve, one after the other, or less senior ones."),
    "stages": gettext_lazy("The same people approve in another order."),
    "typed_more": gettext_lazy("Who approves types a value."),
    "typed_fewer": gettext_lazy("Who approves types no value any more."),
    "approvers_more": gettext_lazy("More people must approve."),
    "approvers_fewer": gettext_lazy("Fewer people must approve."),
    "gate": gettext_lazy("The gate of the action type is another."),
    "domain": gettext_lazy("The action type belongs to another domain."),
    "silence": gettext_lazy("Silence means something else at the deadline."),
}
ROUTES = {
    "auto": gettext_lazy("passes"),
    "review": gettext_lazy("asks"),
    "reject": gettext_lazy("refused"),
    "gone": gettext_lazy("not known"),
    "unfit": gettext_lazy("does not fit the schema"),
}
KINDS = {
    "tier_up": gettext_lazy("a higher tier"),
    "tier_down": gettext_lazy("a lower tier"),
    "approvers_more": gettext_lazy("more people"),
    "approvers_fewer": gettext_lazy("fewer people"),
    "stages_more": gettext_lazy("more stages"),
    "stages_fewer": gettext_lazy("fewer stages"),
    "stages": gettext_lazy("another order of stages"),
    "typed_more": gettext_lazy("a typed value"),
    "typed_fewer": gettext_lazy("no typed value"),
    "gate": gettext_lazy("another gate"),
    "domain": gettext_lazy("another domain"),
    "silence": gettext_lazy("silence means something else"),
}
LEFT_OUT = {
    "granted": gettext_lazy("%(count)d passed by a grant or a plan, which people had approved"),
    "returned": gettext_lazy("%(count)d asked once more because the world had moved"),
    "erased": gettext_lazy("%(count)d of which nothing is kept"),
    "flags": gettext_lazy(
        "what the changed settings would have flagged in %(count)d, since flags are taken as they were recorded"
    ),
    "unknown": gettext_lazy("%(count)d of action types that neither policy knows"),
}


class PeriodForm(forms.Form):
    """How far back: the newest so many, between two days where they are given."""

    last = forms.TypedChoiceField(choices=[(size, size) for size in SIZES], coerce=int, required=False)
    since = forms.DateField(required=False)
    until = forms.DateField(required=False)

    def period(self) -> Period:
        since, until = self.cleaned_data["since"], self.cleaned_data["until"]
        return Period(
            last=self.cleaned_data["last"] or 500,
            since=_midnight(since) if since else None,
            until=_midnight(until + timedelta(days=1)) if until else None,
        )


def ask(request: HttpRequest) -> HttpResponse:
    """Start a rehearsal; few approvals are looked at on the spot, many by the worker that the clock rings for."""
    form = PeriodForm(request.POST)
    try:
        if not form.is_valid():
            raise NotPublished(_("A day is written as 2026-11-21."))
        rehearsal = rehearsal_jobs.ask(form.period(), by=signed_in(request))
    except (NotPublished, Unpublishable) as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(reverse("admin:approvals_policyversion_draft"))
    if rehearsal.total <= rehearsal_jobs.AT_ONCE_UP_TO:
        rehearsal_jobs.carry_out(rehearsal.pk)
    return HttpResponseRedirect(reverse("admin:approvals_policyversion_rehearsal", args=[rehearsal.pk]))


def report(request: HttpRequest, rehearsal: Rehearsal) -> dict[str, Any]:
    """What the page shows: how many would move and how, and a page of them, what must be looked at first on top."""
    kind = request.GET.get("kind", "")
    movements = RoutingChange.objects.filter(rehearsal=rehearsal)
    if kind:
        movements = movements.filter(kind=kind)
    page = Paginator(movements, ROWS).get_page(request.GET.get("page"))
    counts = sorted(rehearsal.counts.items(), key=lambda pair: -pair[1])
    return {
        "asked": rehearsal,
        "share": round(100 * rehearsal.looked / rehearsal.total) if rehearsal.total else 100,
        "counts": [(name, movement_label(name), count) for name, count in counts],
        "left_out": [str(LEFT_OUT[why]) % {"count": count} for why, count in rehearsal.left_out.items()],
        "kind": kind,
        "kind_words": movement_label(kind) if kind else "",
        "page": page,
        "rows": rows_of(list(page), request) if rehearsal.done_at else [],
        "still": versions.draft().digest == rehearsal.digest,
        "sums": _sums(movements) if rehearsal.done_at and rehearsal.moved else [],
        "without_past": _types_without_past(rehearsal) if rehearsal.done_at else [],
    }


def _sums(movements: "QuerySet[RoutingChange]") -> list[tuple[str, list[tuple[str, int]]]]:
    """How many of these move, by agent, by action type, and by the tier that the draft asks."""
    columns = [
        (_("By agent"), F("approval__agent__name")),
        (_("By action type"), F("approval__action_type__title")),
        (_("By tier of the draft"), F("after__tier")),
    ]
    return [(title, [(_named(of), count) for of, count in _counted(movements, column)]) for title, column in columns]


def _counted(movements: "QuerySet[RoutingChange]", column: F) -> list[tuple[object, int]]:
    grouped = movements.order_by().annotate(of=column).values("of").annotate(count=Count("pk"))
    return [(row["of"], row["count"]) for row in grouped.order_by("-count", "of")[:SUMMED]]


def _named(of: object) -> str:
    """A tier is a number; what asks nobody has none, nor has what is no action a type."""
    if isinstance(of, int):
        return _("tier %(tier)d") % {"tier": of}
    return str(of) if of else _("none")


def _types_without_past(rehearsal: Rehearsal) -> list[str]:
    """Titles of the action types that the draft brings or changes and of which nothing was looked at."""
    before, after = rehearsal.base.snapshot["types"], rehearsal.draft["types"]
    changed = {name: row["title"] for name, row in after.items() if before.get(name) != row}
    if not changed:
        return []
    period = Period(rehearsal.last, rehearsal.since, rehearsal.until)
    looked = period.approvals().filter(created_at__lte=rehearsal.asked_at)[: rehearsal.last]
    seen = set(Approval.objects.filter(pk__in=looked.values("pk")).order_by().values_list("action_type", flat=True))
    return sorted(title for name, title in changed.items() if name not in seen)


def rows_of(movements: list[RoutingChange], request: HttpRequest) -> list[dict[str, Any]]:
    """The movements with what this person may know of each approval: the headline only of a card they may read."""
    user = signed_in(request)
    authority = authorities.authority_of(user)
    mine = access.visible_to(user, authority).filter(pk__in=[one.approval_id for one in movements])
    opens = {one.pk: one for one in mine.select_related("proposal")}
    all_of_them = Approval.objects.filter(pk__in=[one.approval_id for one in movements])
    approvals_by_id = {one.pk: one for one in all_of_them.select_related("action_type", "agent")}
    rows = []
    for movement in movements:
        approval, card = approvals_by_id[movement.approval_id], opens.get(movement.approval_id)
        reads = card is not None and access.sees_content(card, user, authority)
        headline = characters.plain(card.proposal.headline) if reads and card and card.proposal else ""
        before, after = movement.before, movement.after
        rows.append(
            {
                "approval": approval,
                "opens": card is not None,
                "headline": headline,
                "first": movement.rank <= 1,
                "before": outcome_text(before, after),
                "after": outcome_text(after, before),
                "becomes": after["route"],
                "why": why_text(movement.kind, movement.why),
            }
        )
    return rows


def why_text(kind: str, rows: Iterable[Row]) -> str:
    """Why an approval moves so: the reasons that differ, else what of the action type does."""
    return " ".join(sentences(rows)) or str(OF_THE_TYPE.get(kind, ""))


def movement_label(kind: str) -> str:
    """`review_auto` is asks → passes."""
    if kind in KINDS:
        return str(KINDS[kind])
    before, _sep, after = kind.partition("_")
    return f"{ROUTES.get(before, before)} → {ROUTES.get(after, after)}"


def outcome_text(outcome: dict[str, Any], other: dict[str, Any]) -> str:
    """Where it goes: `asks tier 2, 2 people`; gate, domain and silence where the other differs in them."""
    parts = [str(ROUTES.get(outcome["route"], outcome["route"]))]
    if outcome.get("tier") is None:
        return parts[0]
    if outcome.get("stages"):
        parts = [_("asks %(stages)s") % {"stages": stage_rules.in_words(outcome["stages"])}]
    else:
        parts = [_("asks tier %(tier)d") % {"tier": outcome["tier"]}]
        if outcome["approvers"] > 1:
            parts.append(_("%(count)d people") % {"count": outcome["approvers"]})
    if outcome.get("typed"):
        parts.append(_("typed value"))
    if other.get("tier") is None:
        return ", ".join(parts)
    if outcome.get("gate") != other.get("gate"):
        parts.append(str(Gate(outcome["gate"]).label).partition(":")[0].lower())
    if outcome.get("domain") != other.get("domain") and not outcome.get("stages"):
        parts.append(outcome["domain"])
    if outcome.get("silence") != other.get("silence"):
        silence = Silence(outcome.get("silence") or Silence.REJECT)
        parts.append(_("silence: %(means)s") % {"means": str(silence.label).lower()})
    return ", ".join(parts)


def _midnight(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))
