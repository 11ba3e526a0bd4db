"""What admins configure, and the immutable snapshot that every routing uses."""

from datetime import timedelta

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from approvals.models.evidence_settings import EVIDENCE_CONSTRAINTS, EvidenceSettings
from approvals.models.fields import OrderedJSONField
from approvals.models.people import Domain, Tier, User


class Reversibility(models.TextChoices):
    REVERSIBLE = "reversible", _("Reversible")
    PARTIAL = "partial", _("Partially reversible")
    IRREVERSIBLE = "irreversible", _("Irreversible")


class Strategy(models.TextChoices):
    """When a person is asked."""

    NEVER = "never", _("Never")
    ALWAYS = "always", _("Always")
    RISK = "risk", _("When a rule or flag matches")
    CONFIDENCE = "confidence", _("By confidence")


class Gate(models.TextChoices):
    """How a person is asked."""

    SOFT = "soft", _("Soft: proceeds unless stopped")
    HARD = "hard", _("Hard: waits for a yes")
    MANUAL = "manual", _("Manual: typed value and password again")
    ASYNC = "async", _("Work queue: no hurry")
    CLARIFY = "clarify", _("Question")


class Silence(models.TextChoices):
    """What it means when nobody decides before the deadline."""

    REJECT = "reject", _("Nothing runs")
    ESCALATE = "escalate", _("Escalates, then nothing runs")
    APPROVE = "approve", _("Runs")
    PROCEED = "proceed", _("Runs, and is reviewed afterwards")
    BEST_GUESS = "best_guess", _("The agent goes on with its best guess")


class OptimisticExecution(models.TextChoices):
    """Whether the agent may go on before anybody has looked. Never with what cannot be undone."""

    WAITS = "waits", _("It waits for the verdict")
    VETO = "veto", _("It goes on; a veto before the deadline stops its run and undoes it")
    REVIEW = "review", _("It goes on; its run is reviewed as a whole when it has ended")


class SpendOf(models.TextChoices):
    """Whose spending a limit holds back."""

    AGENT = "agent", _("The agent's")
    RUN = "run", _("One run's")


# Words for the silences that let something run without a person; reversible types only.
CONSENTING: frozenset[str] = frozenset({Silence.APPROVE, Silence.PROCEED})

# Those by which the agent goes on, so that nobody above is troubled on the way.
GOING_ON: frozenset[str] = CONSENTING | {Silence.BEST_GUESS}


class Verdict(models.TextChoices):
    APPROVE = "approve", _("Approve")
    MODIFY = "modify", _("Modify")
    REJECT = "reject", _("Reject")
    ANSWER = "answer", _("Answer")
    SKIP = "skip", _("Skip")


class Accompanying(models.TextChoices):
    """What an action type may require agents to send beside the arguments."""

    SUMMARY = "summary", _("A summary")
    REASONING = "reasoning", _("Its reasoning")
    CONTEXT = "context", _("Context")
    PRECONDITIONS = "preconditions", _("Preconditions")


def default_allowed() -> list[str]:
    return [Verdict.APPROVE, Verdict.MODIFY, Verdict.REJECT]


class ActionType(EvidenceSettings):
    """A kind of action that agents propose, with everything policy says of it."""

    name = models.SlugField(
        _("name"), max_length=80, primary_key=True, help_text=_("What agents send as action.name, for example refund.")
    )
    title = models.CharField(_("title"), max_length=120)
    headline = models.CharField(
        _("headline"),
        max_length=300,
        help_text=_("What the card leads with, from the arguments: refund {amount} {currency} to order {order}"),
    )
    domain = models.ForeignKey(Domain, models.PROTECT, verbose_name=_("domain"), related_name="action_types")
    pack = models.SlugField(_("pack"), max_length=40, blank=True, editable=False)
    schema = OrderedJSONField(
        _("JSON Schema of the arguments"),
        default=dict,
        blank=True,
        help_text=_("What agents may send as arguments; reviewers get their form from it."),
    )
    schema_version = models.PositiveIntegerField(default=1, editable=False)
    policy_text = models.TextField(
        _("policy in words"), blank=True, help_text=_("Reviewers read it on the card, as plain text.")
    )

    reversibility = models.CharField(
        _("reversibility"),
        max_length=12,
        choices=Reversibility.choices,
        help_text=_(
            "The first filter. Irreversible: always asks, by a hard or manual gate. Only what is reversible may run "
            "because nobody answered."
        ),
    )
    strategy = models.CharField(_("when a person is asked"), max_length=10, choices=Strategy.choices)
    gate = models.CharField(
        _("how"),
        max_length=7,
        choices=Gate.choices,
        default=Gate.HARD,
        help_text=_("Soft and work queue are for what can wait or be undone."),
    )
    tier = models.ForeignKey(Tier, models.PROTECT, verbose_name=_("lowest tier"), related_name="action_types")
    approvers = models.PositiveSmallIntegerField(
        _("people who must approve"), default=1, validators=[MinValueValidator(1), MaxValueValidator(5)]
    )
    allowed = models.JSONField(_("allowed verdicts"), default=default_allowed)
    level = models.PositiveSmallIntegerField(
        _("first autonomy level"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(4)],
        help_text=_("Where an agent starts: 1 full human control, 2 approval gates, 3 exceptions only, 4 audit."),
    )

    auto_threshold = models.DecimalField(_("passes from"), max_digits=4, decimal_places=3, default="0.850")
    review_threshold = models.DecimalField(_("a person from"), max_digits=4, decimal_places=3, default="0.600")
    # Asked on top of any strategy
    every_steps = models.PositiveSmallIntegerField(
        _("a person every so many steps"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Of one run, since a person last decided in it. Empty: never for this."),
    )
    every_time = models.DurationField(
        _("a person every so often"),
        null=True,
        blank=True,
        help_text=_("Of one run, since it began or a person last decided in it. Empty: never for this."),
    )
    spend_limit = models.DecimalField(
        _("a person above this spending"),
        max_digits=16,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_("In base currency: what was let run in the window, this one included. Empty: no limit."),
    )
    spend_window = models.DurationField(_("window of the spending"), default=timedelta(days=1))
    spend_of = models.CharField(_("whose spending"), max_length=5, choices=SpendOf.choices, default=SpendOf.AGENT)

    # What is unusual
    baseline_path = models.CharField(
        _("usual value by"),
        max_length=120,
        blank=True,
        help_text=_("Argument whose values have a usual value each, for example department. Empty: of the agent."),
    )
    usual_times = models.DecimalField(
        _("unusual from"),
        max_digits=5,
        decimal_places=2,
        default="3.00",
        validators=[MinValueValidator(1)],
        help_text=_("Times the usual value (the median of what was approved)."),
    )
    frequency_path = models.CharField(
        _("counted by"),
        max_length=120,
        blank=True,
        help_text=_("Argument whose repetition is counted, for example customer. Empty: the subject."),
    )
    frequency_from = models.PositiveSmallIntegerField(
        _("flagged from the"), default=2, validators=[MinValueValidator(2)], help_text=_("Second, third … time.")
    )
    frequency_window = models.DurationField(_("within"), default=timedelta(days=7))
    burst_from = models.PositiveSmallIntegerField(
        _("a burst from"),
        default=10,
        validators=[MinValueValidator(2)],
        help_text=_("Proposals of one agent in ten minutes, or alike ones in the window below."),
    )
    burst_window = models.DurationField(_("alike ones within"), default=timedelta(hours=12))
    rejects_repeats = models.BooleanField(
        _("answer repetitions with the earlier rejection"),
        default=False,
        help_text=_("What nearly repeats a proposal that a person rejected is refused with the same words."),
    )
    most_attempts = models.PositiveSmallIntegerField(
        _("attempts in a run"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("After so many rejected attempts at nearly the same its run gets no further. Empty: no limit."),
    )

    weights = models.JSONField(
        _("signal weights"),
        default=dict,
        blank=True,
        help_text=_("0 to 1 each; empty: the default that it shows. 0 silences a signal."),
    )
    flags = models.JSONField(
        _("flags that ask a person"), default=list, blank=True, help_text=_("The others only inform.")
    )

    value_path = models.CharField(
        _("value"), max_length=120, blank=True, help_text=_("Argument that holds the value, for example amount.")
    )
    currency_path = models.CharField(_("currency"), max_length=120, blank=True)
    subject_path = models.CharField(
        _("subject"), max_length=120, blank=True, help_text=_("Argument that names whom or what it concerns.")
    )
    subject_kind = models.CharField(_("kind of subject"), max_length=40, blank=True)

    expires_after = models.DurationField(_("deadline after"), default=timedelta(hours=4))
    on_timeout = models.CharField(
        _("silence means"),
        max_length=10,
        choices=Silence.choices,
        default=Silence.REJECT,
        help_text=_(
            "What happens at the deadline when nobody decided. “Runs” and “best guess” are for reversible actions only."
        ),
    )
    permit_valid = models.DurationField(
        _("permit lasts"),
        default=timedelta(hours=24),
        help_text=_("What was approved must start within this time of its release."),
    )
    runs_before_review = models.CharField(
        _("before the verdict"),
        max_length=6,
        choices=OptimisticExecution.choices,
        default=OptimisticExecution.WAITS,
        help_text=_("Only inside a run, and only where nothing but this action's own strategy asks for a person."),
    )
    sample = models.DecimalField(
        _("share for post-review"),
        max_digits=4,
        decimal_places=3,
        default="0.000",
        help_text=_("Of what passed without a person, 0 to 1: that share is looked at afterwards."),
    )
    shadow = models.BooleanField(
        _("shadow mode"),
        default=False,
        help_text=_("Nobody is asked: what would have been asked is recorded. Not for what cannot be undone."),
    )
    required = models.JSONField(
        _("what agents must say"),
        default=list,
        blank=True,
        help_text=_("A request without it is refused (422) with the place that is empty."),
    )
    by_law = models.BooleanField(
        _("the law wants a person"),
        default=False,
        help_text=_("A person always decides: no level, rule, plan, standing approval or silence lifts it."),
    )
    reason_required = models.BooleanField(_("a rejection needs a reason"), default=True)
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("action type")
        verbose_name_plural = _("action types")
        ordering = ["domain", "name"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(reversibility=Reversibility.IRREVERSIBLE)
                | Q(strategy=Strategy.ALWAYS, gate__in=[Gate.HARD, Gate.MANUAL]),
                name="irreversible_always_asks",
            ),
            models.CheckConstraint(
                condition=Q(reversibility=Reversibility.REVERSIBLE)
                | (~Q(on_timeout__in=[Silence.APPROVE, Silence.PROCEED, Silence.BEST_GUESS]) & ~Q(gate=Gate.SOFT)),
                name="silence_approves_only_the_reversible",
            ),
            models.CheckConstraint(
                condition=Q(auto_threshold__gte=models.F("review_threshold"))
                & Q(review_threshold__gte=0)
                & Q(auto_threshold__lte=1),
                name="thresholds_are_ordered",
            ),
            models.CheckConstraint(
                condition=Q(expires_after__gt=timedelta(0)), name="action_type_deadline_is_positive"
            ),
            models.CheckConstraint(condition=Q(permit_valid__gt=timedelta(0)), name="action_type_permit_lasts"),
            models.CheckConstraint(condition=Q(level__gte=1, level__lte=4), name="action_type_level_is_1_to_4"),
            models.CheckConstraint(
                condition=Q(approvers__gte=1, approvers__lte=5), name="action_type_approvers_1_to_5"
            ),
            models.CheckConstraint(
                condition=Q(runs_before_review=OptimisticExecution.WAITS)
                | Q(runs_before_review=OptimisticExecution.VETO, gate=Gate.SOFT, reversibility=Reversibility.REVERSIBLE)
                | (
                    Q(runs_before_review=OptimisticExecution.REVIEW)
                    & ~Q(reversibility=Reversibility.IRREVERSIBLE)
                    & ~Q(gate=Gate.MANUAL)
                ),
                name="only_what_can_be_undone_runs_ahead",
            ),
            models.CheckConstraint(
                condition=Q(shadow=False) | (~Q(reversibility=Reversibility.IRREVERSIBLE) & ~Q(gate=Gate.MANUAL)),
                name="shadow_asks_for_the_irreversible",
            ),
            models.CheckConstraint(
                condition=Q(by_law=False)
                | (
                    ~Q(strategy=Strategy.NEVER)
                    & ~Q(gate=Gate.SOFT)
                    & ~Q(on_timeout__in=[Silence.APPROVE, Silence.PROCEED, Silence.BEST_GUESS])
                    & Q(runs_before_review=OptimisticExecution.WAITS, shadow=False)
                ),
                name="by_law_a_person_decides",
            ),
            models.CheckConstraint(condition=Q(sample__gte=0, sample__lte=1), name="action_type_sample_is_a_share"),
            models.CheckConstraint(
                condition=(Q(spend_limit=None) | Q(spend_limit__gt=0))
                & Q(spend_window__gt=timedelta(0))
                & (Q(every_time=None) | Q(every_time__gt=timedelta(0)))
                & Q(frequency_window__gt=timedelta(0))
                & Q(burst_window__gt=timedelta(0)),
                name="action_type_windows_are_positive",
            ),
            models.CheckConstraint(
                # History looks back at no more than 400 of a key, and at 30 rejections.
                condition=Q(usual_times__gte=1, frequency_from__range=(2, 400), burst_from__range=(2, 400))
                & (Q(most_attempts=None) | Q(most_attempts__range=(1, 30))),
                name="action_type_counts_are_reachable",
            ),
            *EVIDENCE_CONSTRAINTS,
        ]

    def __str__(self) -> str:
        return self.title


class Impact(models.TextChoices):
    """Bands of value in base currency: low up to 100, medium up to 5,000, high above; irreversible is always high."""

    LOW = "low", _("Low impact")
    MEDIUM = "medium", _("Medium impact")
    HIGH = "high", _("High impact")


class OverloadMode(models.TextChoices):
    """What becomes of what would wait in a queue that is full, or in which nobody is on duty."""

    QUEUE = "queue", _("It waits all the same")
    REJECT = "reject", _("It is refused, and the agent told to come back")
    PASS = "pass", _("Reversible ones of low impact pass and are looked at afterwards; the rest waits")


class PolicyVersion(models.Model):
    """An immutable compiled snapshot of all policy; a routing uses one, an approval pins the one it arrived under."""

    number = models.PositiveIntegerField(primary_key=True)
    snapshot = OrderedJSONField()
    digest = models.CharField(max_length=71)
    note = models.CharField(_("what changed"), max_length=300, blank=True)
    published_by = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="+")
    published_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("policy version")
        verbose_name_plural = _("policy versions")
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"v{self.number}"
