"""The filter of a report, from and to its URL, and whose figures one may ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import PermissionDenied
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from approvals.db import times
from approvals.evidence.metrics import PERSON_NEEDS, enough_decisions
from approvals.evidence.selection import LONGEST, ROW_SETS, VOTED, Selection
from approvals.models import ActionType, Agent, Domain, Tier
from approvals.people.authorities import Authority

CUSTOM = "custom"
PERIODS: list[tuple[str, Promise]] = [
    ("7", _("Last 7 days")),
    ("30", _("Last 30 days")),
    ("90", _("Last 90 days")),
    (CUSTOM, _("From … to")),
]
DEFAULT = "30"


@dataclass(frozen=True, slots=True)
class Select:
    """A filter as the page draws it."""

    name: str
    label: str
    value: str
    choices: Sequence[tuple[str, str | Promise]]
    default: str = ""

    @property
    def narrows(self) -> bool:
        return self.value not in ("", self.default)


class SelectionForm(forms.Form):
    """Period, action type, agent, version, tier, domain and person. A person may always ask for the own figures; who
    reads everybody's may ask for those of a person who decided enough in the selection."""

    periods = PERIODS
    defaults: Mapping[str, str] = {"period": DEFAULT}  # what a filter is when nothing is chosen

    period = forms.ChoiceField(required=False, label=_("Period"), choices=PERIODS)
    first = forms.DateField(required=False, label=_("From"))
    last = forms.DateField(required=False, label=_("To"))
    type = forms.ChoiceField(required=False, label=_("Action"))
    agent = forms.ChoiceField(required=False, label=_("Agent"))
    tier = forms.ChoiceField(required=False, label=_("Tier"))
    domain = forms.ChoiceField(required=False, label=_("Domain"))
    version = forms.CharField(required=False, max_length=370, label=_("Version"))
    person = forms.UUIDField(required=False, label=_("Person"))

    def __init__(self, data: Mapping[str, str], authority: Authority) -> None:
        super().__init__(data)
        self.authority = authority
        self.agents = dict(Agent.objects.values_list("name", "pk"))
        types = ActionType.objects.order_by("title").values_list("name", "title")
        tiers = [(str(tier.pk), str(tier)) for tier in Tier.objects.all()]
        self.choices: dict[str, list[tuple[str, str | Promise]]] = {
            "period": [*self.periods],
            "type": [("", _("All actions")), *types],
            "agent": [("", _("All agents")), *((name, name) for name in sorted(self.agents))],
            "tier": [("", _("All tiers")), *tiers],
            "domain": [("", _("All domains")), *Domain.objects.order_by("name").values_list("slug", "name")],
        }
        for name, choices in self.choices.items():
            field = self.fields[name]
            if isinstance(field, forms.ChoiceField):
                field.choices = choices

    def clean(self) -> None:
        self._check_period()
        person = self.cleaned_data.get("person")
        if not self.authority.sees_all:
            if person not in (None, self.authority.user_id):
                raise PermissionDenied
            self.cleaned_data["person"] = self.authority.user_id
        elif person and person != self.authority.user_id and not self.errors and not enough_decisions(self.selection):
            message = _("A person's figures are shown from %(least)d decisions in the selection on.")
            self.add_error("person", forms.ValidationError(message, params={"least": PERSON_NEEDS}))

    def _check_period(self) -> None:
        if self.cleaned_data.get("period") != CUSTOM or self.errors:
            return
        first, last = self.cleaned_data.get("first"), self.cleaned_data.get("last")
        if first and last and first > last:
            self.add_error("last", _("The end lies before the start."))
        elif first and last and (last - first).days >= LONGEST:
            self.add_error("last", forms.ValidationError(_("At most %(most)d days."), params={"most": LONGEST}))

    @property
    def days(self) -> tuple[date, date]:
        """The first and the last day; an open end of a custom period is today, an open start a month before."""
        today = times.now().astimezone(UTC).date()
        period = self.cleaned_data.get("period") or DEFAULT
        if period != CUSTOM:
            return today - timedelta(days=int(period) - 1), today
        first, last = self.cleaned_data.get("first"), self.cleaned_data.get("last")
        last = last or max(today, first or today)
        first = first or last - timedelta(days=int(DEFAULT) - 1)
        return max(first, last - timedelta(days=LONGEST - 1)), last

    @property
    def selection(self) -> Selection:
        """What was chosen; only after `is_valid()`."""
        cleaned = self.cleaned_data
        first, last = self.days
        return Selection(
            first=first,
            last=last,
            action_type=cleaned.get("type") or None,
            agent=self.agents.get(cleaned.get("agent") or ""),
            tier=int(cleaned["tier"]) if cleaned.get("tier") else None,
            domain=cleaned.get("domain") or None,
            version=cleaned.get("version") or None,
            person=cleaned.get("person"),
            topic=cleaned.get("topic") or None,
        )

    @property
    def query(self) -> dict[str, str]:
        """The parameters that are set, for links that narrow them further."""
        return {name: value for name in SelectionForm.base_fields if (value := self.data.get(name, "").strip())}

    @property
    def selects(self) -> list[Select]:
        chosen = []
        for name, choices in self.choices.items():
            default = self.defaults.get(name, "")
            chosen.append(
                Select(name, str(self.fields[name].label), self.data.get(name, "") or default, choices, default)
            )
        return chosen

    @property
    def is_custom(self) -> bool:
        return self.data.get("period") == CUSTOM

    @property
    def is_own(self) -> bool:
        """True where the figures are those of the one who reads them."""
        return self.data.get("person", "") == str(self.authority.user_id) or not self.authority.sees_all

    @property
    def faults(self) -> list[str]:
        """What is wrong, a sentence each, with the field it concerns."""
        return [
            f"{self.fields[name].label}: {message}" if name in self.fields else str(message)
            for name, messages in self.errors.items()
            for message in messages
        ]


class RowsForm(SelectionForm):
    """The same, for one row set: the rows behind one number."""

    of = forms.ChoiceField(
        required=False, choices=[(name, row_set.title) for name, row_set in {**ROW_SETS, **VOTED}.items()]
    )
    topic = forms.RegexField(r"^(reason|field|band):.+$", required=False, max_length=240, label=_("About"))

    @property
    def row_set(self) -> str:
        return self.cleaned_data["of"] or "submitted"

    @property
    def query(self) -> dict[str, str]:
        query = super().query
        return query | {name: value for name in ("of", "topic") if (value := self.data.get(name, "").strip())}


def address(form: SelectionForm, name: str, **narrower: object) -> str:
    """The address of a page of the reports under this form's filters, narrowed further.

    A name with an empty value is dropped; days replace the form's period.
    """
    query = form.query | {key: str(value) for key, value in narrower.items() if value is not None}
    if isinstance(narrower.get("first"), date):
        query["period"] = CUSTOM
    query = {key: value for key, value in query.items() if value}
    return f"{reverse(name)}?{urlencode(query)}" if query else reverse(name)
