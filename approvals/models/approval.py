"""One approval: what is asked, how it was routed, its times, and what was decided.

Arguments and texts live in `Proposal`, which retention and erasure may empty; the approval keeps the columns that
lists, deadlines, races and evidence need.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.utils.translation import gettext_lazy as _

from approvals.db.ids import new_id
from approvals.models.approval_table import CONSTRAINTS, INDEXES
from approvals.models.people import Agent, Domain, Tier, User
from approvals.models.policy import (
    ActionType,
    Gate,
    Impact,
    PolicyVersion,
    Reversibility,
    Silence,
    Verdict,
)
from approvals.models.request import ApprovalRequest
from approvals.models.states import DECIDED, DISGUISED, OPEN, URGENCY, ItemType, Kind, Route, Source, Status, queue_name

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

    share = models.DecimalField(
        max_digits=4,
        decimal_places=3,
        null=True,
        help_text="The probability with which a person looks at it, fixed when it came. NULL: it is no label.",
    )
    routed_score = models.DecimalField(
        max_digits=4,
        decimal_places=3,
        null=True,
        help_text="What its thresholds were compared with as it came, whatever it was changed to.",
    )
    routed_parts = ArrayField(
        models.SmallIntegerField(null=True),
        default=list,
        help_text="In thousandths, as it came: the composite, then each signal in the order of their weights.",
    )
    routed_impact = models.CharField(
        max_length=6, choices=Impact.choices, blank=True, help_text="The same of its impact."
    )

    # Its chain of events
    event_seq = models.PositiveIntegerField(default=0)
    event_head = models.BinaryField(max_length=32)

    class Meta:
        verbose_name = _("approval")
        verbose_name_plural = _("approvals")
        constraints = CONSTRAINTS
        indexes = INDEXES

    def __str__(self) -> str:
        return f"{self.action_type_id or self.item_type} {self.id}"  # no word of the agent's: the admin shows it

    @property
    def version(self) -> str:
        """What a card of it shows, in one token: everything on the card sends this, and none other."""
        return f"{self.revision}.{self.round}.{self.stage}.{self.digest}"

    @property
    def shown_kind(self) -> Kind:
        """Its kind as everybody may know it: a test case or a second review is one only after the verdict."""
        kind = Kind(self.kind)
        return Kind.REAL if kind in DISGUISED and self.is_open else kind

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
