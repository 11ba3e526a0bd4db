"""What people post to the console, checked for shape; what it means is the domain's to say."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from approvals.decisions.card_version import CardVersion
from approvals.models import Approval, User
from approvals.models.policy import Verdict
from approvals.models.verdict import RejectionReason
from approvals.people import absences
from approvals.values import texts
from approvals.values.schema import Fault

# Nobody looks at one card for longer; a tab left open over night does not count as reading.
LONGEST_LOOK = timedelta(hours=1)


def _moment_input() -> forms.DateTimeInput:
    return forms.DateTimeInput({"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")


class VerdictForm(forms.Form):
    """A verdict on exactly what its card showed: the card's version comes back with it."""

    verdict = forms.ChoiceField(choices=Verdict.choices)
    version = forms.CharField(max_length=200)
    viewed = forms.IntegerField(required=False, min_value=0)
    message = forms.CharField(required=False, max_length=texts.MESSAGE)
    reason = forms.ChoiceField(required=False, choices=[("", ""), *RejectionReason.choices])
    alternative = forms.CharField(required=False, max_length=200, strip=False)
    stop = forms.BooleanField(required=False)
    stay = forms.BooleanField(required=False)
    typed = forms.CharField(required=False, max_length=300)
    password = forms.CharField(required=False, max_length=1000, strip=False)
    passkey = forms.CharField(required=False, max_length=20_000)
    answer = forms.CharField(required=False, max_length=texts.MESSAGE)
    guidance = forms.CharField(required=False, max_length=texts.MESSAGE)
    remember = forms.IntegerField(required=False, min_value=0)  # which of the agent's offers

    def seen(self, approval: Approval) -> CardVersion:
        """What the person's card showed of this approval; only after `is_valid()`."""
        return CardVersion.read(approval.pk, self.cleaned_data["version"])

    def clean_version(self) -> str:
        version: str = self.cleaned_data["version"]
        try:
            CardVersion.read(UUID(int=0), version)
        except ValueError as error:
            raise forms.ValidationError(_("This page did not say which version it shows.")) from error
        return version

    @property
    def proof(self) -> dict[str, str]:
        """What shows that this is the person, and for which version it was given."""
        return {name: self.cleaned_data[name] for name in ("version", "password", "passkey")}

    @property
    def viewed_for(self) -> timedelta:
        return min(timedelta(milliseconds=min(self.cleaned_data.get("viewed") or 0, 10**9)), LONGEST_LOOK)

    @property
    def faults(self) -> list[Fault]:
        """What keeps it from being a verdict, by field."""
        return [Fault(f"/{name}", str(message)) for name, messages in self.errors.items() for message in messages]


class RecallForm(forms.Form):
    """A recall of exactly what its card showed."""

    version = forms.CharField(max_length=200)
    message = forms.CharField(required=False, max_length=texts.MESSAGE)
    reason = forms.CharField(required=False, max_length=40)

    def seen(self, approval: Approval) -> CardVersion:
        """What the person's card showed of this approval; only after `is_valid()`."""
        return CardVersion.read(approval.pk, self.cleaned_data["version"])

    @property
    def faults(self) -> list[Fault]:
        """What keeps it from being a recall, by field."""
        return [Fault(f"/{name}", str(message)) for name, messages in self.errors.items() for message in messages]


class NoteForm(forms.Form):
    """Words for colleagues, with an escalation or by themselves."""

    note = forms.CharField(required=False, max_length=texts.MESSAGE)
    text = forms.CharField(required=False, max_length=texts.MESSAGE)


class PickForm(forms.Form):
    """The approvals selected together, each as its row showed it: `id:version`."""

    verdict = forms.ChoiceField(required=False, choices=[("", ""), (Verdict.APPROVE, ""), (Verdict.REJECT, "")])
    message = forms.CharField(required=False, max_length=texts.MESSAGE)
    reason = forms.ChoiceField(required=False, choices=[("", ""), *RejectionReason.choices])

    def __init__(self, data: Mapping[str, object], picks: list[str]) -> None:
        super().__init__(data)
        self.picks = picks

    @property
    def seen(self) -> list[CardVersion]:
        """What was picked; a pick that is none of ours is left out."""
        seen_versions = []
        for pick in self.picks:
            try:
                pk, version = pick.split(":", 1)
                seen_versions.append(CardVersion.read(UUID(pk), version))
            except ValueError:
                continue
        return seen_versions


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """How the console looks and speaks to one person."""

    language = forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES)
    time_zone = forms.ChoiceField(label=_("Time zone"))

    class Meta:
        model = User
        fields = ["language", "time_zone", "theme", "shortcuts"]
        widgets = {"theme": forms.RadioSelect}

    def __init__(self, *args: object, **fields: object) -> None:
        super().__init__(*args, **fields)  # type: ignore[arg-type]  # as Django's own
        zones = sorted(available_timezones())
        field = self.fields["time_zone"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [("UTC", "UTC"), *((zone, zone.replace("_", " ")) for zone in zones if "/" in zone)]


class Colleague(forms.ModelChoiceField):  # type: ignore[type-arg]  # not subscriptable at run time
    """One of these people, by the full name."""

    def label_from_instance(self, obj: User) -> str:
        return obj.get_full_name() or obj.username


class AwayForm(forms.Form):
    """When one is away, by one's own clock, and who stands in."""

    starts_at = forms.DateTimeField(label=_("Away from"), widget=_moment_input())
    ends_at = forms.DateTimeField(label=_("Until"), widget=_moment_input())
    delegate = Colleague(
        label=_("Who stands in"), queryset=User.objects.none(), required=False, empty_label=_("nobody")
    )

    def __init__(self, data: Mapping[str, object] | None, *, user: User) -> None:
        super().__init__(data)
        delegate = self.fields["delegate"]
        if isinstance(delegate, Colleague):
            delegate.queryset = absences.candidates(user)

    def complain(self, faults: Sequence[Fault]) -> None:
        """Say each fault beside its field."""
        for fault in faults:
            self.add_error(fault.pointer.removeprefix("/"), fault.message)
