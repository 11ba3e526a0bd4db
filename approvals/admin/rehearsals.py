"""A rehearsal on its page: asked for, awaited, and read by who may not open the cards, too."""

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
from approvals.models import Approval, Movement, Rehearsal
from approvals.models.policy import Gate, Silence
from approvals.policy import characters, ordered, trials, versions
from approvals.policy.rehearsal import MOST, Period
from approvals.policy.snapshot import Unpublishable
from approvals.policy.versions import NotPublished
from approvals.review import access

SIZES = (100, 500, 1000, 5000, MOST)
ROWS = 50  # on one page
SUMMED = 12  # agents, action types, tiers that a sum names

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
        asked = trials.ask(form.period(), by=signed_in(request))
    except (NotPublished, Unpublishable) as refused:
        messages.error(request, str(refused))
        return HttpResponseRedirect(reverse("admin:approvals_policyversion_draft"))
    if asked.total <= trials.AT_ONCE_UP_TO:
        trials.work(asked.pk)
    return HttpResponseRedirect(reverse("admin:approvals_policyversion_rehearsal", args=[asked.pk]))


def report(request: HttpRequest, asked: Rehearsal) -> dict[str, Any]:
    """What the page shows: how many would move and how, and a page of them, what must be looked at first on top."""
    kind = request.GET.get("kind", "")
    found = Movement.objects.filter(rehearsal=asked)
    if kind:
        found = found.filter(kind=kind)
    page = Paginator(found, ROWS).get_page(request.GET.get("page"))
    counts = sorted(asked.counts.items(), key=lambda pair: -pair[1])
    return {
        "asked": asked,
        "share": round(100 * asked.looked / asked.total) if asked.total else 100,
        "counts": [(name, kind_words(name), count) for name, count in counts],
        "left_out": [str(LEFT_OUT[why]) % {"count": count} for why, count in asked.left_out.items()],
        "kind": kind,
        "kind_words": kind_words(kind) if kind else "",
        "page": page,
        "rows": rows_of(list(page), request) if asked.done_at else [],
        "still": versions.draft().digest == asked.digest,
        "sums": _sums(found) if asked.done_at and asked.moved else [],
        "without_past": _without_past(asked) if asked.done_at else [],
    }


def _sums(found: "QuerySet[Movement]") -> list[tuple[str, list[tuple[str, int]]]]:
    """How many of these move, by agent, by action type, and by the tier that the draft asks."""
    columns = [
        (_("By agent"), F("approval__agent__name")),
        (_("By action type"), F("approval__action_type__title")),
        (_("By tier of the draft"), F("after__tier")),
    ]
    return [(title, [(_named(of), count) for of, count in _counted(found, column)]) for title, column in columns]


def _counted(found: "QuerySet[Movement]", column: F) -> list[tuple[object, int]]:
    grouped = found.order_by().annotate(of=column).values("of").annotate(count=Count("pk"))
    return [(row["of"], row["count"]) for row in grouped.order_by("-count", "of")[:SUMMED]]


def _named(of: object) -> str:
    """A tier is a number; what asks nobody has none, nor has what is no action a type."""
    if isinstance(of, int):
        return _("tier %(tier)d") % {"tier": of}
    return str(of) if of else _("none")


def _without_past(asked: Rehearsal) -> list[str]:
    """Titles of the action types that the draft brings or changes and of which nothing was looked at."""
    before, after = asked.base.snapshot["types"], asked.draft["types"]
    changed = {name: row["title"] for name, row in after.items() if before.get(name) != row}
    if not changed:
        return []
    period = Period(asked.last, asked.since, asked.until)
    looked = period.approvals().filter(created_at__lte=asked.asked_at)[: asked.last]
    seen = set(Approval.objects.filter(pk__in=looked.values("pk")).order_by().values_list("action_type", flat=True))
    return sorted(title for name, title in changed.items() if name not in seen)


def rows_of(movements: list[Movement], request: HttpRequest) -> list[dict[str, Any]]:
    """The movements with what this person may know of each approval: the headline only of a card they may read."""
    user = signed_in(request)
    authority = access.authority_of(user)
    mine = access.visible_to(user, authority).filter(pk__in=[one.approval_id for one in movements])
    opens = {one.pk: one for one in mine.select_related("proposal")}
    all_of_them = Approval.objects.filter(pk__in=[one.approval_id for one in movements])
    known = {one.pk: one for one in all_of_them.select_related("action_type", "agent")}
    rows = []
    for one in movements:
        approval, card = known[one.approval_id], opens.get(one.approval_id)
        reads = card is not None and access.sees_content(card, user, authority)
        headline = characters.plain(card.proposal.headline) if reads and card and card.proposal else ""
        before, after = one.before, one.after
        rows.append(
            {
                "approval": approval,
                "opens": card is not None,
                "headline": headline,
                "first": one.rank <= 1,
                "before": outcome_words(before, after),
                "after": outcome_words(after, before),
                "becomes": after["route"],
                "why": one.why,
            }
        )
    return rows


def kind_words(kind: str) -> str:
    """`review_auto` is asks → passes."""
    if kind in KINDS:
        return str(KINDS[kind])
    before, _sep, after = kind.partition("_")
    return f"{ROUTES.get(before, before)} → {ROUTES.get(after, after)}"


def outcome_words(outcome: dict[str, Any], other: dict[str, Any]) -> str:
    """Where it goes: `asks tier 2, 2 people`; gate, domain and silence where the other differs in them."""
    words = [str(ROUTES.get(outcome["route"], outcome["route"]))]
    if outcome["tier"] is None:
        return words[0]
    # A rehearsal from before there were stages does not name them.
    if outcome.get("stages"):
        words = [_("asks %(stages)s") % {"stages": ordered.in_words(outcome["stages"])}]
    else:
        words = [_("asks tier %(tier)d") % {"tier": outcome["tier"]}]
        if outcome["approvers"] > 1:
            words.append(_("%(count)d people") % {"count": outcome["approvers"]})
    if outcome.get("typed"):
        words.append(_("typed value"))
    if other["tier"] is None:
        return ", ".join(words)
    if outcome["gate"] != other["gate"]:
        words.append(str(Gate(outcome["gate"]).label).partition(":")[0].lower())
    if outcome["domain"] != other["domain"] and not outcome.get("stages"):
        words.append(outcome["domain"])
    if outcome["silence"] != other["silence"]:
        silence = Silence(outcome["silence"] or Silence.REJECT)
        words.append(_("silence: %(means)s") % {"means": str(silence.label).lower()})
    return ", ".join(words)


def _midnight(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time()))
