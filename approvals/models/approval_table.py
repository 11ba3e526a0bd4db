"""What the database refuses of an approval, and what it finds approvals by: each with its purpose."""

from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Least

from approvals.models.policy import (
    CONSENTING,
    GOING_ON,
    Gate,
    Reversibility,
    Verdict,
)
from approvals.models.states import RUNNING, Route, Source

SEARCH_LIST = 256  # kB


class InUtc(models.Func):
    """A moment without its time zone: an index takes no arithmetic that could depend on the session's."""

    template = "(%(expressions)s AT TIME ZONE 'UTC')"
    output_field = models.DateTimeField()


def used_up_at(share: float) -> Least:
    """When that share of the time to the deadline is used, or the tier's time is over: as `urgency` has it, in UTC."""
    end = Coalesce("expires_at", "due_at")
    left = models.ExpressionWrapper((end - F("created_at")) * models.Value(1 - share), models.DurationField())
    return Least(InUtc("due_at"), models.ExpressionWrapper(InUtc(end) - left, models.DateTimeField()))


# How many stages there are.
_STAGES = models.Func("stages", function="jsonb_array_length", output_field=models.IntegerField())

CONSTRAINTS = [
    models.UniqueConstraint(fields=["request", "item"], name="item_once_per_request"),
    models.UniqueConstraint(fields=["returned_from"], condition=Q(returned_from__isnull=False), name="returned_once"),
    models.CheckConstraint(
        condition=~Q(on_timeout__in=sorted(CONSENTING)) | Q(reversibility=Reversibility.REVERSIBLE),
        name="silence_runs_only_the_reversible",
    ),
    models.CheckConstraint(
        # A step of an approved plan was seen by a person, to the letter.
        condition=~Q(route=Route.AUTO) | ~Q(reversibility=Reversibility.IRREVERSIBLE) | Q(plan__isnull=False),
        name="irreversible_never_passes",
    ),
    models.CheckConstraint(
        # Who lets it run is a person, whatever else holds.
        condition=Q(by_law=False)
        | (
            ~Q(route=Route.AUTO)
            & ~Q(on_timeout__in=sorted(GOING_ON))
            & (~Q(verdict__in=["approve", "modify", "answer"]) | Q(source=Source.HUMAN))
        ),
        name="by_law_only_a_person_approves",
    ),
    models.CheckConstraint(
        condition=~Q(source=Source.TIMEOUT, verdict=Verdict.APPROVE) | Q(reversibility=Reversibility.REVERSIBLE),
        name="timeout_approves_only_the_reversible",
    ),
    models.CheckConstraint(
        condition=(Q(status__in=["pending", "expired", "cancelled", "superseded"]) & Q(verdict=""))
        | (
            Q(status__in=["held", "released", "executed", "failed", "skipped", "compensated", "recalled"])
            & ~Q(verdict="")
            & ~Q(source="")
            & Q(decided_at__isnull=False)
        ),
        name="verdict_goes_with_status",
    ),
    models.CheckConstraint(
        condition=Q(status="held", hold_until__isnull=False) | (~Q(status="held") & Q(hold_until=None)),
        name="held_until_goes_with_held",
    ),
    models.CheckConstraint(
        condition=~Q(source=Source.HUMAN) | Q(decided_by__isnull=False), name="human_verdict_has_a_person"
    ),
    models.CheckConstraint(
        condition=~Q(status__in=["executed", "failed", "skipped", "compensated"])
        | (Q(kind__in=RUNNING) & ~Q(verdict="reject")),
        name="only_approved_real_ones_run",
    ),
    models.CheckConstraint(
        condition=Q(released_at=None) | Q(kind__in=RUNNING), name="only_real_ones_are_released_to_an_agent"
    ),
    models.CheckConstraint(condition=Q(votes__lte=F("approvers")), name="votes_within_approvers"),
    models.CheckConstraint(
        condition=Q(stages=[], stage=0) | (~Q(stages=[]) & Q(stage__lt=_STAGES)),
        name="stage_is_one_of_its_stages",
    ),
    models.CheckConstraint(
        # Of several stages only the last one's people let it run.
        condition=Q(stages=[]) | ~Q(verdict__in=["approve", "modify"]) | Q(source=Source.HUMAN, stage=_STAGES - 1),
        name="every_stage_before_it_runs",
    ),
    models.CheckConstraint(
        condition=Q(stages=[], typed=False)
        | (
            ~Q(source=Source.TIMEOUT, verdict__in=["approve", "modify"])
            & ~Q(on_timeout__in=sorted(CONSENTING))
            & ~Q(route=Route.AUTO)
        ),
        name="silence_runs_nothing_staged_or_typed",
    ),
    models.CheckConstraint(
        condition=~Q(source=Source.GRANT) | Q(grant__isnull=False) | Q(plan__isnull=False),
        name="grant_names_what_granted",
    ),
    models.CheckConstraint(
        condition=~Q(source=Source.GRANT)
        | (
            Q(route=Route.AUTO, verdict=Verdict.APPROVE)
            & (Q(plan__isnull=False) | (~Q(reversibility=Reversibility.IRREVERSIBLE) & ~Q(gate=Gate.MANUAL)))
        ),
        name="standing_approval_has_bounds",
    ),
    models.CheckConstraint(
        condition=Q(shadowed__isnull=True)
        | (Q(route=Route.AUTO) & ~Q(reversibility=Reversibility.IRREVERSIBLE) & ~Q(gate=Gate.MANUAL)),
        name="shadow_passes_what_can_be_undone",
    ),
    models.CheckConstraint(
        condition=Q(consumed_at=None)
        | (Q(kind__in=RUNNING, verdict__in=["approve", "modify"]) & ~Q(status__in=["pending", "held"])),
        name="only_approved_real_ones_are_used",
    ),
    models.CheckConstraint(
        condition=~Q(status="recalled")
        | Q(
            kind="real",
            item_type__in=["action", "plan"],
            verdict__in=["approve", "modify"],
            released_at__isnull=False,
            consumed_at=None,
        ),
        name="only_an_unused_permit_is_recalled",
    ),
    models.CheckConstraint(
        condition=~Q(reason_code="before_review")
        | (
            Q(route=Route.AUTO)
            & ~Q(reversibility=Reversibility.IRREVERSIBLE)
            & ~Q(gate=Gate.MANUAL)
            & (~Q(gate=Gate.SOFT) | Q(reversibility=Reversibility.REVERSIBLE))
        ),
        name="only_what_can_be_undone_ran_ahead",
    ),
]

# Every insert pays for each of them, and so does every update that moves the row: none without a reader. A test
# refuses what is not declared here, Django's own on foreign keys too.
INDEXES = [
    # The inbox: the open ones by the next moment that matters, whatever mixture of queues a person sees.
    models.Index(
        Least("due_at", "expires_at"),
        "id",
        "tier",
        "domain",
        condition=Q(status__in=["pending", "held"]),
        name="approval_inbox",
    ),
    # The inbox by urgency: those that three quarters of their time are used of,
    models.Index(used_up_at(0.75), condition=Q(status="pending"), name="approval_critical"),
    # those that half of it is,
    models.Index(used_up_at(0.5), condition=Q(status="pending"), name="approval_high"),
    # and those that nobody answered in time and nothing ends.
    models.Index(
        fields=["id"],
        condition=Q(status="pending", due_at=None, expires_at=None, breaches__gt=0),
        name="approval_overdue",
    ),
    # Search among what waits. Few words lie beside the index until they are merged: each search reads them all.
    GinIndex(
        fields=["search_words"],
        condition=Q(status="pending"),
        gin_pending_list_limit=SEARCH_LIST,
        name="approval_search_waiting",
    ),
    # Search in history.
    GinIndex(
        fields=["search_words"],
        condition=~Q(status="pending"),
        gin_pending_list_limit=SEARCH_LIST,
        name="approval_search_settled",
    ),
    # How many wait in a queue that has a limit, counted up to it.
    models.Index(fields=["tier", "domain"], condition=Q(status="pending"), name="approval_queued"),
    # What passed or was refused while a queue had no room, or nobody.
    models.Index(
        fields=["tier", "domain", "created_at"],
        include=["route"],
        condition=Q(reason_code="degraded"),
        name="approval_degraded",
    ),
    # The clock: what expires,
    models.Index(fields=["expires_at"], condition=Q(status="pending"), name="approval_expiring"),
    # what escalates,
    models.Index(fields=["due_at"], condition=Q(status="pending"), name="approval_due"),
    # whose tier hears that little time is left,
    models.Index(fields=["remind_at"], condition=Q(status="pending", remind_at__isnull=False), name="approval_soon"),
    # what is released (and what a person may still undo),
    models.Index(fields=["hold_until"], condition=Q(status="held"), name="approval_held"),
    # whose claim is over (and, in the inbox, whose claims those are),
    models.Index(
        fields=["claim_until"],
        condition=Q(status="pending", claim_until__isnull=False),
        name="approval_claimed",
    ),
    # and what comes back after it was snoozed.
    models.Index(
        fields=["snoozed_until"],
        condition=Q(status="pending", snoozed_until__isnull=False),
        name="approval_snoozed",
    ),
    # The page of uses that nobody has said of what came of them.
    models.Index(
        fields=["consumed_at"],
        condition=Q(status="released", consumed_at__isnull=False),
        name="approval_unconfirmed",
    ),
    # Those of them that no alarm was raised of yet.
    models.Index(
        fields=["consumed_at"],
        condition=Q(status="released", consumed_at__isnull=False, alarmed_at=None),
        name="approval_alarming",
    ),
    # Precedent. Each of these holds only what is counted by it, so that other rows, however many, cannot push
    # it out of the newest. What precedent counts of a row travels in the index: reading the rows themselves
    # took twice as long. How often this agent proposed this; the agent filter of history:
    models.Index(fields=["agent", "action_type", "-created_at"], include=["id", "kind"], name="approval_proposed"),
    # what people decided of it, and what was found fault with,
    models.Index(
        fields=["agent", "action_type", "-created_at"],
        include=["id", "verdict", "faulted_at"],
        condition=Q(kind="real")
        & (
            Q(faulted_at__isnull=False)
            | Q(source="human", released_at__isnull=False, verdict__in=["approve", "modify", "reject"])
            & ~Q(status="recalled")
        ),
        name="approval_precedent",
    ),
    # its approved amounts,
    models.Index(
        fields=["agent", "action_type", "-created_at"],
        include=["id", "value"],
        condition=Q(kind="real", value__isnull=False, verdict__in=["approve", "modify"]) & ~Q(status="recalled"),
        name="approval_amounts",
    ),
    # how often the same thing came,
    models.Index(
        fields=["frequency_key", "action_type", "-created_at"],
        include=["id"],
        condition=~Q(frequency_key="")
        & Q(kind="real")
        & ~Q(verdict="reject")
        & ~Q(status__in=["expired", "cancelled", "superseded", "recalled"]),
        name="approval_counted",
    ),
    # what else was proposed about the subject (rejected ones, and the card's similar decisions),
    models.Index(fields=["subject", "action_type", "-created_at"], condition=~Q(subject=""), name="approval_subject"),
    # what is usual for whom it counts for,
    models.Index(
        fields=["baseline_key", "action_type", "-created_at"],
        include=["id", "value"],
        condition=~Q(baseline_key="")
        & Q(kind="real", value__isnull=False, verdict__in=["approve", "modify"])
        & ~Q(status="recalled"),
        name="approval_usual",
    ),
    # how many like it this agent proposed lately,
    models.Index(
        fields=["similarity_key", "-created_at"],
        include=["id"],
        condition=~Q(similarity_key="") & Q(kind="real"),
        name="approval_alike",
    ),
    # what another attempt is compared with: what people rejected, or policy because of what it was,
    models.Index(
        fields=["agent", "action_type", "source", "-created_at"],
        include=["id"],
        condition=Q(kind="real")
        & (
            Q(verdict="reject") & (Q(source="human") | Q(source="policy", reason_code="policy_violation"))
            | Q(status="cancelled", faulted_at__isnull=False)
        ),
        name="approval_rejected",
    ),
    # whether people approved such an attempt since,
    models.Index(
        fields=["repeats", "-released_at"],
        condition=Q(repeats__isnull=False, verdict__in=["approve", "modify"]),
        name="approval_overruling",
    ),
    # and whether the very same waits or runs already.
    models.Index(
        fields=["digest", "-created_at"],
        include=["id", "status"],
        condition=Q(kind="real")
        & (Q(status="pending") | (Q(status__in=["held", "released", "executed"]) & ~Q(verdict="reject"))),
        name="approval_twin",
    ),
    # Feedback for agents, newest decision first.
    models.Index(fields=["-decided_at", "-id"], condition=Q(decided_at__isnull=False), name="approval_decided"),
    # What a person decided last, beside the inbox; theirs in history and reports.
    models.Index(
        fields=["decided_by", "-decided_at", "-id"],
        condition=Q(decided_by__isnull=False),
        name="approval_decided_by",
    ),
    # History: what does not wait, newest first.
    models.Index(fields=["-created_at", "-id"], condition=~Q(status="pending"), name="approval_settled"),
    # Rehearsals, reports and their exports: everything of a period, newest first.
    models.Index(fields=["-created_at", "-id"], name="approval_newest"),
    # Of one type: fitting its confidence, trying a condition on it, history's filter.
    models.Index(fields=["action_type", "-created_at", "-id"], name="approval_of_type"),
    # What one standing approval let pass,
    models.Index(fields=["grant", "-created_at"], condition=Q(grant__isnull=False), name="approval_of_grant"),
    # and one approved plan: its card, its spending, recalling it.
    models.Index(fields=["plan", "-created_at"], condition=Q(plan__isnull=False), name="approval_of_plan"),
    # Reports of shadow mode.
    models.Index(fields=["-created_at", "-id"], condition=Q(shadowed__isnull=False), name="approval_shadowed"),
]
