"""The forms of channels: an address pasted whole, or what a person finds in a common service, made into one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from approvals.models import Channel, User
from approvals.notify import services

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


class ChannelForm(forms.Form):
    """One new channel. Its `secret` is the address itself, where a subclass does not make one of more fields."""

    name = forms.CharField(label=gettext_lazy("Call it"), max_length=80, required=False)
    carries = forms.ChoiceField(label=gettext_lazy("Carries"), choices=Channel.Carries.choices)
    secret: str  # the field that an unusable address is said beside

    def url(self, given: Mapping[str, str]) -> str:
        return given[self.secret].strip()

    def clean(self) -> dict[str, object] | None:
        cleaned = super().clean() or {}
        if not self.errors:
            try:
                cleaned["url"] = self.url(cleaned)
                cleaned["service"] = services.read(cleaned["url"])
            except services.Unusable as error:
                self.add_error(self.secret, str(error))
        return cleaned


def _text(label: "StrOrPromise", hint: "StrOrPromise" = "", **more: object) -> forms.CharField:
    field = forms.CharField(label=label, help_text=hint, max_length=services.LONGEST, **more)  # type: ignore[arg-type]
    field.widget.attrs |= {"autocomplete": "off", "spellcheck": "false"}
    return field


class PasteForm(ChannelForm):
    address = _text(
        gettext_lazy("Address"),
        gettext_lazy(
            "As the service or apprise writes it: https://hooks.slack.com/…, https://discord.com/api/webhooks/…, "
            "ntfys://…, tgram://…, mailtos://…, jsons://…"
        ),
    )
    secret = "address"  # noqa: S105  # the name of a field
    field_order = ("address", "name", "carries")


class HookForm(PasteForm):
    """A service whose own address is the whole of it."""

    hint = gettext_lazy("The address of the incoming webhook, which the service shows when you make one.")

    def __init__(self, *args: object, **fields: object) -> None:
        super().__init__(*args, **fields)  # type: ignore[arg-type]  # as Django's own
        self.fields["address"].help_text = str(self.hint)


class NtfyForm(ChannelForm):
    topic = _text(gettext_lazy("Topic"), gettext_lazy("Anybody who knows it reads it: make it hard to guess."))
    server = _text(gettext_lazy("Server"), gettext_lazy("Empty: ntfy.sh"), required=False)
    secret = "topic"  # noqa: S105
    field_order = ("topic", "server", "name", "carries")

    def url(self, given: Mapping[str, str]) -> str:
        return f"ntfys://{_host(given['server'] or 'ntfy.sh')}/{_safe(given['topic'])}"


class TelegramForm(ChannelForm):
    token = _text(gettext_lazy("Token of the bot"), gettext_lazy("@BotFather shows it: 123456789:ABC…"))
    chat = _text(gettext_lazy("Chat"), gettext_lazy("The number of the chat with the bot."))
    secret = "token"  # noqa: S105
    field_order = ("token", "chat", "name", "carries")

    def url(self, given: Mapping[str, str]) -> str:
        return f"tgram://{quote(given['token'].strip(), safe=':')}/{_safe(given['chat'])}/"


class PushoverForm(ChannelForm):
    user = _text(gettext_lazy("User key"))
    token = _text(gettext_lazy("Token of the application"))
    secret = "user"  # noqa: S105
    field_order = ("user", "token", "name", "carries")

    def url(self, given: Mapping[str, str]) -> str:
        return f"pover://{_safe(given['user'])}@{_safe(given['token'])}"


class PagerDutyForm(ChannelForm):
    key = _text(gettext_lazy("Integration key"), gettext_lazy("Of an integration with the Events API, version 2."))
    secret = "key"  # noqa: S105
    field_order = ("key", "name", "carries")

    def url(self, given: Mapping[str, str]) -> str:
        return f"pagerduty://{_safe(given['key'])}@{_safe(given['key'])}"


# By the word in the address of the page, each with what people call it.
FORMS: Mapping[str, tuple[str, type[ChannelForm]]] = {
    "slack": ("Slack", HookForm),
    "teams": ("Microsoft Teams", HookForm),
    "discord": ("Discord", HookForm),
    "telegram": ("Telegram", TelegramForm),
    "ntfy": ("ntfy", NtfyForm),
    "pushover": ("Pushover", PushoverForm),
    "pagerduty": ("PagerDuty", PagerDutyForm),
    "other": (gettext_lazy("Another"), PasteForm),  # type: ignore[dict-item]  # lazy until it is shown
}


class WishesForm(forms.ModelForm):  # type: ignore[type-arg]  # not subscriptable at run time
    """What one person wants to hear of, and when not."""

    class Meta:
        model = User
        fields = [
            "notify_new",
            "notify_escalated",
            "notify_soon",
            "quiet_from",
            "quiet_until",
            "quiet_urgent",
            "desktop",
        ]
        widgets = {
            "notify_new": forms.RadioSelect,
            "notify_escalated": forms.RadioSelect,
            "notify_soon": forms.RadioSelect,
            "quiet_from": forms.TimeInput(attrs={"type": "time", "class": "input"}, format="%H:%M"),
            "quiet_until": forms.TimeInput(attrs={"type": "time", "class": "input"}, format="%H:%M"),
        }

    def clean(self) -> dict[str, object]:
        cleaned = super().clean() or {}
        begins, ends = cleaned.get("quiet_from"), cleaned.get("quiet_until")
        if (begins is None) != (ends is None):
            self.add_error("quiet_until", _("Quiet hours have a beginning and an end; leave both empty for none."))
        elif begins is not None and begins == ends:
            self.add_error(
                "quiet_until", _("These hours would never end. To hear nothing at all, switch it off above.")
            )
        return cleaned

    @property
    def events(self) -> list[forms.BoundField]:
        """The matrix: what happens, and how it is told."""
        return [self[name] for name in ("notify_new", "notify_escalated", "notify_soon")]


def _safe(text: str) -> str:
    return quote(text.strip(), safe="")


def _host(text: str) -> str:
    return text.strip().removeprefix("https://").strip("/")
