"""What one can ask of approvals in a list: the filters of the inbox's query and of history's."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.conf import settings
from django.db.models import DateTimeField, Q, Value
from django.db.models.functions import Least
from django.db.models.lookups import GreaterThan, LessThanOrEqual
from django.utils.translation import gettext_lazy as _

from approvals.models import ActionType, Agent, Domain, Incident, Tier, User
from approvals.models.approval_table import InUtc, used_up_at
from approvals.models.policy import Verdict
from approvals.models.states import SETTLED, URGENCY, ItemType, Source, Status
from console.query import NumberFilter, OneOf, QueryFilter, TextFilter, TimeFilter

OFFERED = 50  # values of one filter

# The last tier of the chain did not answer in time, and no deadline comes to end it: Approval.overdue.
OVERDUE = Q(status=Status.PENDING, due_at=None, expires_at=None, breaches__gt=0)


def urgent(urgency: str, now: datetime) -> Q:
    """Late, or so much of the time used; the words of `urgency_of` (remaining.py), as the indexes have them."""
    if urgency == "late":
        return Q(LessThanOrEqual(Least("due_at", "expires_at"), now)) | OVERDUE
    used_up = used_up_at(URGENCY[urgency])
    return Q(LessThanOrEqual(used_up, InUtc(Value(now, DateTimeField())))) | OVERDUE


def claimed(how: str, user: User, now: datetime) -> Q:
    """Claimed by this person ("me"), by nobody ("none"), or set aside ("snoozed")."""
    if how == "snoozed":
        return Q(snoozed_until__gt=now)
    return Q(claimed_by=user, claim_until__gt=now) if how == "me" else Q(claimed_by=None) | Q(claim_until__lte=now)


def unconfirmed(now: datetime) -> Q:
    """Used, and nobody said in time what came of it."""
    return Q(status=Status.RELEASED, consumed_at__lte=now - settings.ASSENT_CONFIRM_AFTER)


def in_shadow(route: str) -> Q:
    """What shadow mode would have routed so."""
    return Q(shadowed__isnull=False, shadowed__route=route)


def inbox_filters(user: User, queues: Mapping[str, str]) -> list[QueryFilter]:
    """Those of the inbox of a person who sees these queues, by name and title."""
    tiers = {int(name.split(".", 1)[0]) for name in queues}
    domains = {name.split(".", 1)[1] for name in queues}
    return [
        *_what(tiers, domains),
        TimeFilter("age", _("Waiting for, like >1h"), ("<10m", ">1h", ">1d"), made=_created),
        TimeFilter("due", _("Time left, like <30m"), ("<10m", "<1h"), made=_ending, ahead=True),
        OneOf(
            "is",
            _("State"),
            ("unclaimed", "mine", "claimed", "snoozed", "late", "critical", "flagged", "question", "plan", "staged"),
            conditions={
                "unclaimed": lambda now: claimed("none", user, now),
                "mine": lambda now: claimed("me", user, now),
                "claimed": lambda now: ~claimed("none", user, now),
                "snoozed": lambda now: claimed("snoozed", user, now),
                "late": lambda now: urgent("late", now),
                "critical": lambda now: urgent("critical", now),
                "high": lambda now: urgent("high", now),
                "staged": ~Q(stages=[]) | Q(approvers__gt=1),
                **_kinds(),
            },
        ),
    ]


def history_filters(user: User) -> list[QueryFilter]:
    """Those of the history."""
    settled = [status for status in Status if status != Status.PENDING]
    people = User.objects.filter(memberships__isnull=False).distinct().order_by("username")[:OFFERED]
    sources: dict[str, Q] = {source: Q(source=source) for source in (Source.POLICY, Source.TIMEOUT, Source.GRANT)}
    by_name = {person.username: Q(decided_by=person) for person in people}
    return [
        *_what(set(Tier.objects.values_list("pk", flat=True)), set(Domain.objects.values_list("pk", flat=True))),
        OneOf(
            "by",
            _("Who decided"),
            ("me", "policy", "silence", "grant", *by_name),
            conditions={"me": Q(decided_by=user), "silence": Q(source=Source.TIMEOUT), **sources, **by_name},
        ),
        OneOf("verdict", _("Verdict"), tuple(Verdict), conditions={each: Q(verdict=each) for each in Verdict}),
        OneOf("status", _("State"), tuple(settled), conditions={each: Q(status=each) for each in settled}),
        OneOf(
            "is",
            _("What became of it"),
            ("unconfirmed", "incident", "faulted", "flagged", "question", "plan", "shadow"),
            conditions={
                "unconfirmed": unconfirmed,
                "incident": Q(pk__in=Incident.objects.values("approval")),
                "faulted": Q(faulted_at__isnull=False),
                "shadow": Q(shadowed__isnull=False),
                **_kinds(),
            },
        ),
        NumberFilter("confidence", _("Confidence, like <0.6"), ("<0.6", ">=0.85"), column="confidence"),
        TimeFilter("age", _("Proposed ago, like <7d"), ("<1d", "<7d", "<30d"), made=_created),
        TimeFilter("decided", _("Decided ago, like <1d"), ("<1h", "<1d", "<7d"), made=_decided),
    ]


def _what(levels: set[int], domains: set[str]) -> Sequence[QueryFilter]:
    """What is proposed, by whom and where it waits."""
    tiers = {str(tier.pk): tier.name for tier in Tier.objects.filter(pk__in=levels).order_by("pk")}
    named = {domain.pk: domain.name for domain in Domain.objects.filter(pk__in=domains).order_by("pk")}
    types = dict(ActionType.objects.filter(domain__in=domains).order_by("name").values_list("name", "title"))
    agents = tuple(Agent.objects.order_by("name").values_list("name", flat=True)[:OFFERED])
    return [
        OneOf(
            "tier",
            _("Tier"),
            tuple(tiers),
            conditions={key: Q(tier_id=int(key)) for key in tiers},
            titles=_titles(tiers),
        ),
        OneOf(
            "domain",
            _("Domain"),
            tuple(named),
            conditions={key: Q(domain_id=key) for key in named},
            titles=_titles(named),
        ),
        OneOf(
            "type",
            _("Action"),
            tuple(types)[:OFFERED],
            conditions={key: Q(action_type_id=key) for key in types},
            titles=_titles(types),
        ),
        TextFilter("agent", _("Agent"), agents, lookup="agent__name", beginnings=True),
        TextFilter("subject", _("Whom or what it concerns, like customer:981"), content=True, lookup="subject"),
        TextFilter("model", _("The agent's model"), lookup="agent_model", beginnings=True),
        NumberFilter(
            "value",
            _("Value in base currency, like >5000"),
            (">1000", ">5000", "100..500"),
            content=True,
            column="value",
        ),
    ]


def _titles(names: Mapping[str, str]) -> dict[str, str]:
    return {title: name for name, title in names.items()}


def _kinds() -> dict[str, Q]:
    """What holds of an approval wherever it stands."""
    return {"flagged": Q(flagged__gt=0), "repeat": Q(attempt__gt=1)} | {each: Q(item_type=each) for each in ItemType}


def _created(lookup: str, moment: datetime) -> Q:
    return Q(**{f"created_at__{lookup}": moment})


def _decided(lookup: str, moment: datetime) -> Q:
    return Q(**{f"decided_at__{lookup}": moment, "status__in": sorted(SETTLED)})


def _ending(lookup: str, moment: datetime) -> Q:
    end = Least("due_at", "expires_at")
    return Q(GreaterThan(end, moment) if lookup == "gt" else LessThanOrEqual(end, moment))
