"""A request of an agent, the approvals in it, and what people say of them.

Arguments and texts live in `Proposal`, which retention and erasure may empty; the approval keeps the columns that
lists, deadlines, races and evidence need.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Least
from django.utils.translation import gettext_lazy as _

from approvals.db.ids import new_id
from approvals.models.people import Agent, Domain, Tier, User
from approvals.models.policy import (
    CONSENTING,
    GOING_ON,
    ActionType,
    Gate,
    Impact,
    PolicyVersion,
    Reversibility,
    Silence,
    Verdict,
)
from approvals.models.run import Run


class ApprovalRequest(models.Model):
    """Everything an agent needs answered before it goes on (a *request* in the API)."""

    class Status(models.TextChoices):
        PENDING = "pending", _("Pending")
        DECIDED = "decided", _("Decided")
        EXPIRED = "expired", _("Expired")
        CANCELLED = "cancelled", _("Cancelled")
        SUPERSEDED = "superseded", _("Superseded")

    class Decide(models.TextChoices):
        TOGETHER = "together", _("Together")
        INDEPENDENTLY = "independently", _("As they come")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="requests", db_index=False)
    run = models.ForeignKey(Run, models.PROTECT, related_name="requests", null=True, db_index=False)
    step = models.CharField(max_length=200, blank=True)
    key = models.CharField(max_length=255, null=True)  # noqa: DJ001  # NULL: not idempotent; "" is refused on the wire
    content_hash = models.CharField(max_length=71)
    decide = models.CharField(max_length=13, choices=Decide.choices, default=Decide.TOGETHER)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    open_items = models.PositiveSmallIntegerField()
    resume = models.JSONField(default=dict)
    callback_url = models.URLField(max_length=2000, blank=True)
    labels = models.JSONField(default=dict)
    answer = models.TextField(default="", help_text="The decision document, written once when the request closes.")
    recalled_answer = models.TextField(
        default="", help_text="The newest decision document, where an item was recalled since the first."
    )
    lease_holder = models.CharField(max_length=200, blank=True, help_text="The worker that acts on the decision.")
    lease_until = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["agent", "key"], name="request_once_per_key"),
            models.CheckConstraint(condition=~Q(key=""), name="request_key_is_not_empty"),
            models.CheckConstraint(
                condition=Q(status="pending", closed_at=None, answer="", open_items__gt=0)
                | (~Q(status="pending") & Q(closed_at__isnull=False, open_items=0) & ~Q(answer="")),
                name="request_is_open_or_answered",
            ),
            models.CheckConstraint(
                condition=Q(recalled_answer="") | ~Q(answer=""), name="request_second_answer_follows_a_first"
            ),
        ]
        indexes = [
            # The API's list.
            models.Index(fields=["agent", "-created_at", "-id"], name="request_of_agent"),
            # Those of a run, and when the last of them came,
            models.Index(fields=["run", "-created_at"], condition=Q(run__isnull=False), name="request_of_run"),
            # when the last was closed,
            models.Index(
                fields=["run", "-closed_at"],
                condition=Q(run__isnull=False, closed_at__isnull=False),
                name="request_closed_of_run",
            ),
            # and whether any waits.
            models.Index(
                fields=["run"], condition=Q(run__isnull=False, status="pending"), name="request_waiting_of_run"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Status(models.TextChoices):
    """An approval's life: pending, held, released, then what became of it; or it ended undecided."""

    PENDING = "pending", _("Pending")
    HELD = "held", _("Held")
    RELEASED = "released", _("Released")
    EXECUTED = "executed", _("Executed")
    FAILED = "failed", _("Failed")
    SKIPPED = "skipped", _("Skipped")
    COMPENSATED = "compensated", _("Compensated")
    RECALLED = "recalled", _("Recalled")
    EXPIRED = "expired", _("Expired")
    CANCELLED = "cancelled", _("Cancelled")
    SUPERSEDED = "superseded", _("Superseded")


# Where a released decision can be: what an agent reads as "decided".
DECIDED: frozenset[str] = frozenset(
    {Status.RELEASED, Status.EXECUTED, Status.FAILED, Status.SKIPPED, Status.COMPENSATED}
)
# Where it was decided, though it was recalled since: what reports count.
SETTLED: frozenset[str] = DECIDED | {Status.RECALLED}
# Where the approval still waits for somebody or for the undo window.
OPEN: frozenset[str] = frozenset({Status.PENDING, Status.HELD})


class Kind(models.TextChoices):
    REAL = "real", _("Real")
    PRACTICE = "practice", _("Practice")
    SEEDED = "seeded", _("Seeded")
    SECOND = "second", _("Second review")
    AUDIT = "audit", _("Audit")
    CANARY = "canary", _("Canary")


# Of these kinds something runs; the others teach or measure.
RUNNING = (Kind.REAL, Kind.CANARY)


class ItemType(models.TextChoices):
    """What is asked."""

    ACTION = "action", _("Action")
    QUESTION = "question", _("Question")
    PLAN = "plan", _("Plan")


class Source(models.TextChoices):
    HUMAN = "human", _("A person")
    POLICY = "policy", _("Policy")
    TIMEOUT = "timeout", _("Silence")
    GRANT = "grant", _("A standing approval")


class Route(models.TextChoices):
    AUTO = "auto", _("Passes")
    REVIEW = "review", _("A person decides")
    REJECT = "reject", _("Refused")


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
# Above which used share of the time to the deadline it is how urgent; static/js/clock.js has the same.
URGENCY = {"critical": 0.75, "high": 0.5, "medium": 0.25}

_STAGES = models.Func("stages", function="jsonb_array_length", output_field=models.IntegerField())


# Columns of a claim that ends, as a move sets them.
NO_CLAIM: Mapping[str, object] = {"claimed_by_id": None, "claim_until": None}


class Approval(models.Model):
    """One proposed action, question or plan, decided by itself (an *item* in the API, a card on the page)."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    request = models.ForeignKey(ApprovalRequest, models.PROTECT, related_name="approvals", db_index=False)
    position = models.PositiveSmallIntegerField(default=0)
    item = models.CharField(max_length=200, help_text="The agent's own id of it, unique in its request.")
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.REAL)
    item_type = models.CharField(max_length=8, choices=ItemType.choices, default=ItemType.ACTION)
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="approvals", db_index=False)
    action_type = models.ForeignKey(ActionType, models.PROTECT, related_name="approvals", null=True, db_index=False)
    domain = models.ForeignKey(Domain, models.PROTECT, related_name="approvals", db_index=False)
    status = models.CharField(max_length=11, choices=Status.choices, default=Status.PENDING)

    # What a verdict covers
    revision = models.PositiveIntegerField(default=1)
    round = models.PositiveIntegerField(default=1)
    proposal = models.ForeignKey("Proposal", models.PROTECT, related_name="+", null=True, db_index=False)
    digest = models.CharField(max_length=71, help_text="SHA-256 of the canonical form of what will execute.")
    subject = models.CharField(max_length=200, blank=True, help_text="Whom or what it concerns: customer:981.")
    allowed = ArrayField(models.CharField(max_length=8, choices=Verdict.choices), default=list)

    # How it was routed
    policy = models.ForeignKey(PolicyVersion, models.PROTECT, related_name="approvals", db_index=False)
    route = models.CharField(max_length=6, choices=Route.choices)
    gate = models.CharField(max_length=7, choices=Gate.choices)
    reversibility = models.CharField(max_length=12, choices=Reversibility.choices)
    by_law = models.BooleanField(default=False, help_text="The law wants a person for it, as its policy says.")
    reason_code = models.CharField(max_length=24)
    reasons = models.JSONField(default=list)
    assessment = models.JSONField(default=dict, help_text="Signals, weights, composite, flags, matched rules.")
    flagged = models.PositiveSmallIntegerField(default=0, help_text="How many flags are up.")
    confidence = models.DecimalField(max_digits=4, decimal_places=3, null=True)
    value = models.DecimalField(max_digits=20, decimal_places=2, null=True, help_text="In base currency.")
    impact = models.CharField(max_length=6, choices=Impact.choices, default=Impact.LOW)
    tier = models.ForeignKey(Tier, models.PROTECT, related_name="approvals", db_index=False)
    tiers_visited = ArrayField(models.PositiveSmallIntegerField(), default=list)
    queues_visited = ArrayField(
        models.CharField(max_length=60),
        default=list,
        help_text="Where stages led it to another queue: every queue it was in. Empty: its tiers, in its one domain.",
    )
    approvers = models.PositiveSmallIntegerField(default=1)
    votes = models.PositiveSmallIntegerField(default=0)
    stages = models.JSONField(default=list, help_text="In order: tier, domain, approvers of each. Empty: one of all.")
    stage = models.PositiveSmallIntegerField(default=0, help_text="Which of the stages it is in, from 0.")
    typed = models.BooleanField(default=False, help_text="A rule asks whoever approves to type a value.")
    shadowed = models.JSONField(null=True, help_text="What would have been asked, where shadow mode asked nobody.")

    # What later ones are compared with
    baseline_key = models.CharField(max_length=200, blank=True, help_text="Whose usual value it counts for.")
    frequency_key = models.CharField(max_length=200, blank=True, help_text="What is counted when it comes again.")
    similarity_key = models.CharField(max_length=64, blank=True, help_text="The same for proposals that are alike.")
    repeats = models.ForeignKey("self", models.PROTECT, related_name="repeated", null=True, db_index=False)
    attempt = models.PositiveSmallIntegerField(default=1, help_text="Which near repetition of a rejected one.")

    # What a search finds it by (approvals/db/search.py)
    search_words = SearchVectorField(default="", editable=False)

    # What was approved beforehand, and what it follows
    grant = models.ForeignKey("approvals.Grant", models.PROTECT, related_name="uses", null=True, db_index=False)
    plan = models.ForeignKey("self", models.PROTECT, related_name="covered", null=True, db_index=False)
    returned_from = models.ForeignKey("self", models.PROTECT, related_name="+", null=True, db_index=False)
    originally_approved_by = models.ForeignKey(
        User,
        models.PROTECT,
        related_name="returned",
        null=True,
        db_index=False,
        help_text="Who approved it before the world moved.",
    )

    # Time
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True, help_text="When the tier should have answered; then it escalates.")
    remind_at = models.DateTimeField(null=True, help_text="When the tier is told that little time is left; NULL: told.")
    expires_at = models.DateTimeField(null=True, help_text="The end; then silence speaks. NULL: it stays queued.")
    on_timeout = models.CharField(max_length=10, choices=Silence.choices)
    hold = models.DurationField(default=timedelta(0))
    hold_until = models.DateTimeField(null=True)
    claimed_by = models.ForeignKey(User, models.SET_NULL, related_name="claims", null=True, db_index=False)
    claim_until = models.DateTimeField(null=True)
    snoozed_until = models.DateTimeField(null=True)
    escalations = models.PositiveSmallIntegerField(default=0, help_text="How often it left a tier.")
    breaches = models.PositiveSmallIntegerField(default=0, help_text="How many tiers did not answer in time.")

    # What was decided
    verdict = models.CharField(max_length=8, choices=Verdict.choices, blank=True)
    source = models.CharField(max_length=8, choices=Source.choices, blank=True)
    decided_by = models.ForeignKey(User, models.PROTECT, related_name="decided", null=True, db_index=False)
    decided_at = models.DateTimeField(null=True)
    released_at = models.DateTimeField(null=True)
    consumed_at = models.DateTimeField(null=True, help_text="When its permit was used.")
    faulted_at = models.DateTimeField(
        null=True, help_text="When a person found fault with what no verdict says so of; it counts against its agent."
    )
    alarmed_at = models.DateTimeField(null=True, help_text="When it was said that nobody says what came of it.")

    # What evidence needs
    agent_model = models.CharField(max_length=120, blank=True)
    prompt_version = models.CharField(max_length=120, blank=True)
    tool_version = models.CharField(max_length=120, blank=True)
    first_opened_at = models.DateTimeField(null=True)
    viewed = models.DurationField(default=timedelta(0), help_text="Time in view of the one who decided.")

    # Its chain of events
    event_seq = models.PositiveIntegerField(default=0)
    event_head = models.BinaryField(max_length=32)

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        constraints = [
            models.UniqueConstraint(fields=["request", "item"], name="item_once_per_request"),
            models.UniqueConstraint(
                fields=["returned_from"], condition=Q(returned_from__isnull=False), name="returned_once"
            ),
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
                condition=~Q(source=Source.TIMEOUT, verdict=Verdict.APPROVE)
                | Q(reversibility=Reversibility.REVERSIBLE),
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
            models.CheckConstraint(condition=Q(votes__lte=F("approvers")), name="votes_within_approvers"),
            models.CheckConstraint(
                condition=Q(stages=[], stage=0) | (~Q(stages=[]) & Q(stage__lt=_STAGES)),
                name="stage_is_one_of_its_stages",
            ),
            models.CheckConstraint(
                # Of several stages only the last one's people let it run.
                condition=Q(stages=[])
                | ~Q(verdict__in=["approve", "modify"])
                | Q(source=Source.HUMAN, stage=_STAGES - 1),
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
        indexes = [
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
            models.Index(
                fields=["remind_at"], condition=Q(status="pending", remind_at__isnull=False), name="approval_soon"
            ),
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
            models.Index(
                fields=["agent", "action_type", "-created_at"], include=["id", "kind"], name="approval_proposed"
            ),
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
                condition=Q(kind="real", value__isnull=False, verdict__in=["approve", "modify"])
                & ~Q(status="recalled"),
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
            models.Index(
                fields=["subject", "action_type", "-created_at"], condition=~Q(subject=""), name="approval_subject"
            ),
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

    def __str__(self) -> str:
        return f"{self.action_type_id or self.item_type} {self.id}"  # no word of the agent's: the admin shows it

    @property
    def version(self) -> str:
        """What a card of it shows, in one token: everything on the card sends this, and none other."""
        return f"{self.revision}.{self.round}.{self.stage}.{self.digest}"

    @property
    def queue(self) -> str:
        """Tier and domain in one word: where it waits, and whom a change of it concerns."""
        return queue_name(self.tier_id, self.domain_id)

    @property
    def queues_so_far(self) -> list[str]:
        """Every queue in which it waits or has waited, in order."""
        before = self.queues_visited or [queue_name(level, self.domain_id) for level in self.tiers_visited]
        return list(dict.fromkeys([*before, self.queue]))

    def urgency(self, now: datetime) -> str:
        """By the used share of the time to the deadline: low to 25 %, medium, high above 50 %, critical above 75 %."""
        end = self.expires_at or self.due_at
        if end is None:
            return "low"
        used = (now - self.created_at) / max(end - self.created_at, timedelta(seconds=1))
        return next((urgency for urgency, above in URGENCY.items() if used > above), "low")

    @property
    def overdue(self) -> bool:
        """The last tier of the chain did not answer in time, and no deadline comes to end it."""
        return self.status == Status.PENDING and self.due_at is None and self.expires_at is None and self.breaches > 0

    def unconfirmed(self, *, since: datetime) -> bool:
        """Its permit was used at that time or before, and nobody has said what came of it."""
        return self.status == Status.RELEASED and self.consumed_at is not None and self.consumed_at <= since

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def is_decided(self) -> bool:
        return self.status in DECIDED


def queue_name(tier: int, domain: str) -> str:
    """The name of a queue, safe as a channel group: `2.finance`."""
    return f"{tier}.{domain}"
