"""Who proposes, who decides, and with what authority."""

from datetime import timedelta

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from approvals.db.ids import new_id


class NotificationLevel(models.TextChoices):
    """How a person wants to hear of something."""

    NONE = "none", _("Not at all")
    NORMAL = "normal", _("As something normal")
    URGENT = "urgent", _("As something urgent")


class User(AbstractUser):
    """A person. Being a reviewer is a membership, not a flag; staff may configure and decide nothing by that."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    email = models.EmailField(_("e-mail address"), unique=True)
    is_manager = models.BooleanField(
        _("manager"), default=False, help_text=_("Reads reports and calibration of every queue; decides nothing.")
    )
    is_auditor = models.BooleanField(
        _("auditor"), default=False, help_text=_("Reads and verifies the whole history; decides nothing.")
    )
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    language = models.CharField(_("language"), max_length=12, default="en")
    theme = models.CharField(
        _("appearance"),
        max_length=6,
        default="system",
        choices=[("system", _("As the system")), ("light", _("Light")), ("dark", _("Dark"))],
    )
    shortcuts = models.BooleanField(_("single-key shortcuts"), default=True)
    notify_new = models.CharField(
        _("something new for my tier"),
        max_length=6,
        choices=NotificationLevel.choices,
        default=NotificationLevel.NORMAL,
    )
    notify_escalated = models.CharField(
        _("something escalated to my tier"),
        max_length=6,
        choices=NotificationLevel.choices,
        default=NotificationLevel.URGENT,
    )
    notify_soon = models.CharField(
        _("something is due soon"), max_length=6, choices=NotificationLevel.choices, default=NotificationLevel.URGENT
    )
    quiet_from = models.TimeField(_("quiet from"), null=True, blank=True)
    quiet_until = models.TimeField(_("until"), null=True, blank=True)
    quiet_urgent = models.BooleanField(_("what is urgent comes through all the same"), default=True)
    desktop = models.BooleanField(_("notifications of the browser while the inbox is open"), default=False)

    class Meta(AbstractUser.Meta):
        verbose_name = _("person")  # type: ignore[assignment]  # the stubs know no lazy translation here
        verbose_name_plural = _("people")  # type: ignore[assignment]  # as above
        constraints = [
            models.CheckConstraint(condition=Q(theme__in=["system", "light", "dark"]), name="user_theme_is_known"),
            models.CheckConstraint(
                condition=Q(quiet_from=None, quiet_until=None)
                | (Q(quiet_from__isnull=False, quiet_until__isnull=False) & ~Q(quiet_from=F("quiet_until"))),
                name="user_quiet_hours_have_two_ends",
            ),
        ]

    @property
    def name(self) -> str:
        """What colleagues call the person: the first name, else the user name."""
        return self.first_name or self.username


class Agent(models.Model):
    """A program that proposes actions; it speaks through its keys."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.SlugField(_("name"), max_length=80, unique=True)
    description = models.CharField(_("description"), max_length=300, blank=True)
    operators = models.ManyToManyField(
        User,
        verbose_name=_("operators"),
        related_name="operated_agents",
        blank=True,
        help_text=_("The people who run it. They see its approvals and never decide them."),
    )
    paused_at = models.DateTimeField(
        _("paused at"), null=True, blank=True, help_text=_("While set, everything that the agent proposes is refused.")
    )
    callback_secret = models.TextField(editable=False, blank=True)  # signs what goes to a request's callback_url
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("agent")
        verbose_name_plural = _("agents")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Domain(models.Model):
    """A field of knowledge: finance, clinical, legal. With a tier it makes a queue."""

    slug = models.SlugField(_("short name"), max_length=40, primary_key=True)
    name = models.CharField(_("name"), max_length=80)
    active = models.BooleanField(
        _("active"),
        default=True,
        help_text=_("Switched off, nothing new comes to it; what waits there stays and can still be decided."),
    )

    class Meta:
        verbose_name = _("domain")
        verbose_name_plural = _("domains")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


WEEK = [1, 2, 3, 4, 5, 6, 7]


def workdays() -> list[int]:
    """Monday to Friday, as ISO numbers them."""
    return [1, 2, 3, 4, 5]


class Terms(models.Model):
    """What may be decided by a tier, and in which time it answers."""

    ceiling = models.DecimalField(
        _("value ceiling"),
        max_digits=16,
        decimal_places=2,
        null=True,
        blank=True,
        help_text=_(
            "In base currency. A value above it goes to the next tier; exactly at it stays. Empty: no ceiling."
        ),
    )
    sla = models.DurationField(
        _("answer within"),
        default=timedelta(hours=1),
        help_text=_("After this the approval escalates to the next tier."),
    )
    working = models.BooleanField(
        _("only working hours count"),
        default=False,
        help_text=_("“Answer within” then runs only in the hours below; the deadline of the approval itself does not."),
    )
    opens = models.TimeField(_("working hours from"), null=True, blank=True)
    closes = models.TimeField(
        _("working hours until"), null=True, blank=True, help_text=_("Earlier than “from”: until the next morning.")
    )
    workdays = ArrayField(
        models.PositiveSmallIntegerField(), verbose_name=_("working days"), default=workdays, blank=True,
        help_text=_("Days of the week on which the hours begin."),
    )  # fmt: skip
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="UTC",
        help_text=_("In which the hours are meant; it knows when clocks are changed there."),
    )

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(condition=Q(sla__gt=timedelta(0)), name="%(class)s_sla_is_positive"),
            models.CheckConstraint(
                # With both named: a comparison with nothing is not false, and a constraint lets it pass.
                condition=Q(working=False)
                | (Q(opens__isnull=False, closes__isnull=False, workdays__len__gt=0) & ~Q(closes=F("opens"))),
                name="%(class)s_working_hours_are_some",
            ),
            models.CheckConstraint(condition=Q(workdays__contained_by=WEEK), name="%(class)s_workdays_are_days"),
        ]


class Tier(Terms):
    """Reviewers of one authority, a level shared by all domains; its terms hold where a domain has none of its own."""

    level = models.PositiveSmallIntegerField(
        _("level"), primary_key=True, validators=[MinValueValidator(1), MaxValueValidator(9)]
    )
    name = models.CharField(_("name"), max_length=80)
    hold = models.DurationField(
        _("undo window"),
        default=timedelta(seconds=5),
        help_text=_("How long a verdict can be taken back, 0 to 30 seconds."),
    )
    claim = models.DurationField(
        _("claim lasts"), default=timedelta(minutes=10), help_text=_("An idle claim returns to the queue after this.")
    )
    next = models.ForeignKey(
        "self",
        models.PROTECT,
        verbose_name=_("escalates to"),
        null=True,
        blank=True,
        related_name="below",
        help_text=_("Empty: the end of the chain; there the approval waits for its deadline."),
    )
    second_factor = models.BooleanField(
        _("demands a second factor"),
        default=False,
        help_text=_("Whoever signs in with a password alone reads what waits here and decides none of it."),
    )
    seeded = models.DecimalField(
        _("share of test cases"),
        max_digits=4,
        decimal_places=3,
        default="0.000",
        help_text=_(
            "Of what waits here, 0 to 0.2: for that share one test case with a known right answer is put into the "
            "inbox, which never runs. 0.02 is one in fifty."
        ),
    )
    active = models.BooleanField(
        _("active"), default=True, help_text=_("Switched off, policy leads nowhere to it; what waits there stays.")
    )

    class Meta:
        verbose_name = _("tier")
        verbose_name_plural = _("tiers")
        ordering = ["level"]
        constraints = [
            *Terms.Meta.constraints,
            models.CheckConstraint(condition=Q(claim__gt=timedelta(0)), name="tier_claim_is_positive"),
            models.CheckConstraint(
                condition=Q(hold__gte=timedelta(0), hold__lte=timedelta(seconds=30)), name="tier_hold_is_0_to_30_s"
            ),
            models.CheckConstraint(condition=Q(seeded__gte=0, seeded__lte="0.2"), name="tier_few_are_test_cases"),
            # A chain that only climbs cannot loop.
            models.CheckConstraint(condition=Q(next=None) | Q(next__gt=F("level")), name="tier_escalates_upwards"),
        ]

    def __str__(self) -> str:
        return f"{self.level} · {self.name}"


class DomainTerms(Terms):
    """What holds for a tier in one domain, in place of the tier's own terms."""

    tier = models.ForeignKey(Tier, models.CASCADE, related_name="terms", verbose_name=_("tier"))
    domain = models.ForeignKey(Domain, models.PROTECT, related_name="terms", verbose_name=_("domain"))

    class Meta:
        verbose_name = _("terms of a domain")
        verbose_name_plural = _("terms by domain")
        constraints = [
            *Terms.Meta.constraints,
            models.UniqueConstraint(fields=["tier", "domain"], name="domainterms_once_per_queue"),
        ]

    def __str__(self) -> str:
        return f"{self.tier} · {self.domain}"


class Membership(models.Model):
    """A person reviews in a tier, in one domain or in all of them. In force at once, never versioned."""

    user = models.ForeignKey(User, models.CASCADE, related_name="memberships", verbose_name=_("person"))
    tier = models.ForeignKey(Tier, models.PROTECT, related_name="memberships", verbose_name=_("tier"))
    domain = models.ForeignKey(
        Domain,
        models.PROTECT,
        related_name="memberships",
        verbose_name=_("domain"),
        null=True,
        blank=True,
        help_text=_("Empty: every domain."),
    )
    since = models.DateTimeField(auto_now_add=True)
    duty_from = models.TimeField(
        _("on duty from"), null=True, blank=True, help_text=_("In the person's time zone. Empty: always on duty.")
    )
    duty_until = models.TimeField(
        _("until"), null=True, blank=True, help_text=_("Before “from”: until then on the next day.")
    )
    duty_days = ArrayField(
        models.PositiveSmallIntegerField(), verbose_name=_("on"), default=list, blank=True,
        help_text=_("Days of the week on which duty begins, 1 is Monday. Empty: every day."),
    )  # fmt: skip

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(fields=["user", "tier", "domain"], name="membership_once", nulls_distinct=False),
            models.CheckConstraint(
                condition=Q(duty_from=None, duty_until=None) | Q(duty_from__isnull=False, duty_until__isnull=False),
                name="membership_duty_has_two_ends",
            ),
            models.CheckConstraint(
                condition=Q(duty_from=None) | ~Q(duty_from=F("duty_until")), name="membership_duty_is_some_time"
            ),
            models.CheckConstraint(condition=Q(duty_days__contained_by=WEEK), name="membership_duty_days_are_days"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.tier} · {self.domain or _('every domain')}"


class SecondAdminRequest(models.Model):
    """What no admin does alone: a membership from tier 2 on, or a reviewer's link to a new password.

    Another admin gives or refuses it. Where only one is active it is given at once, and `closed_by` stays empty.
    """

    class What(models.TextChoices):
        MEMBERSHIP = "membership", _("Membership")
        LINK = "link", _("Link to set a password")

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    what = models.CharField(_("what"), max_length=10, choices=What.choices)
    user = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("person"))
    tier = models.ForeignKey(Tier, models.PROTECT, related_name="+", null=True, verbose_name=_("tier"))
    domain = models.ForeignKey(Domain, models.PROTECT, related_name="+", null=True, verbose_name=_("domain"))
    duty = models.JSONField(default=dict, help_text="Hours and days on duty, as the form had them.")
    replaces = models.ForeignKey(Membership, models.SET_NULL, related_name="+", null=True)
    asked_by = models.ForeignKey(User, models.PROTECT, related_name="+", verbose_name=_("asked by"))
    asked_at = models.DateTimeField(_("asked"))
    given = models.BooleanField(null=True, help_text="Empty: nobody has answered.")
    closed_by = models.ForeignKey(User, models.PROTECT, related_name="+", null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("request to a second admin")
        verbose_name_plural = _("requests to a second admin")
        ordering = ["-asked_at"]
        constraints = [
            models.CheckConstraint(
                condition=Q(closed_by=None) | (~Q(closed_by=F("asked_by")) & ~Q(closed_by=F("user"))),
                name="people_request_takes_two",
            ),
            models.CheckConstraint(
                condition=Q(given=None, closed_at=None) | Q(given__isnull=False, closed_at__isnull=False),
                name="people_request_is_open_or_closed",
            ),
        ]

    def __str__(self) -> str:
        scope = f" {self.tier_id} {self.domain_id or ''}".rstrip() if self.tier_id else ""
        return f"{self.user.username}: {self.get_what_display()}{scope}"


class Absence(models.Model):
    """Time in which a reviewer is not asked. A delegate has the reviewer's tiers and domains until it is over."""

    user = models.ForeignKey(User, models.CASCADE, related_name="absences", verbose_name=_("person"))
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"))
    delegate = models.ForeignKey(
        User, models.SET_NULL, related_name="delegated", null=True, blank=True, verbose_name=_("delegate"),
        help_text=_("Decides in the person's tiers and domains meanwhile. Empty: nobody does."),
    )  # fmt: skip

    class Meta:
        verbose_name = _("absence")
        verbose_name_plural = _("absences")
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="absence_ends_after_it_starts"),
            models.CheckConstraint(
                condition=Q(delegate=None) | ~Q(delegate=F("user")), name="absence_delegate_is_another"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.starts_at:%Y-%m-%d} to {self.ends_at:%Y-%m-%d}"
