"""Notification channels of people and tiers in the admin: whether they work, and who cannot be reached."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db import models, transaction
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from approvals.admin.base import NarrowInline
from approvals.admin.fields import AdminDefaults
from approvals.db import secret_box
from approvals.models import Channel, Tier, User
from approvals.notify import notifications, sending, services
from approvals.people.reachable import reachable, unreachable


class TierChannelForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A channel of a tier. Its address goes in and never comes out."""

    address = forms.CharField(
        label=_("Address"),
        required=False,
        max_length=services.LONGEST,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=_("As the service or apprise writes it. Kept secret: leave it empty to keep the one there is."),
    )

    trial = forms.BooleanField(
        label=_("Test now"),
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text=_("When it is saved, one message that asks for nothing goes out, and you see what came of it."),
    )

    class Meta:
        model = Channel
        fields = ["tier", "domain", "address", "name", "carries", "active"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "trial" in self.fields:
            self.fields["trial"].initial = self.instance._state.adding

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        address = (cleaned.get("address") or "").strip()
        if not address and not self.instance.kept:
            self.add_error("address", gettext("A channel needs the address of a service."))
        elif address:
            try:
                service = services.read(address)
            except services.Unusable as error:
                self.add_error("address", str(error))
            else:
                self.instance.service, self.instance.kept = service.scheme, secret_box.seal_secret(address.encode())
                self.instance.state, self.instance.error = Channel.State.UNTRIED, ""
                cleaned["name"] = cleaned.get("name") or service.name
        return cleaned


def test_saved(request: HttpRequest, form: TierChannelForm) -> None:
    """Test the channel of a saved form once it is stored, if that is asked for, and say what came of it."""
    if form.cleaned_data.get("trial") and form.instance.active:
        transaction.on_commit(lambda: _test(request, form.instance))


def _test(request: HttpRequest, channel: Channel) -> None:
    if error := sending.send_test_message(channel):
        message = gettext("The test message to %(channel)s did not arrive: %(error)s")
        messages.error(request, message % {"channel": channel, "error": error})
    else:
        messages.success(
            request, gettext("Test message sent to %(channel)s. Look whether it arrived.") % {"channel": channel}
        )


class ChannelFormSet(PaginationInlineFormSet):
    """Channels of a tier; those that are to be tested are, once they are stored."""

    asks: HttpRequest

    def save_new(self, form: Any, commit: bool = True) -> Any:
        channel = super().save_new(form, commit)
        test_saved(self.asks, form)
        return channel

    def save_existing(self, form: Any, obj: Any, commit: bool = True) -> Any:
        channel = super().save_existing(form, obj, commit)
        test_saved(self.asks, form)
        return channel


class ChannelInline(NarrowInline):
    """Under a tier: whom it tells beside its people."""

    model = Channel
    form = TierChannelForm
    formset = ChannelFormSet
    fields = ("domain", "address", "name", "carries", "active", "trial", "condition")
    readonly_fields = ("condition",)
    extra = 0
    verbose_name_plural = _("channels: told of everything that waits here, beside the people")

    def get_formset(self, request: HttpRequest, obj: models.Model | None = None, **kwargs: Any) -> type[Any]:
        made = super().get_formset(request, obj, **kwargs)
        return type(made.__name__, (made,), {"asks": request})

    @display(description=_("state"))
    def condition(self, channel: Channel) -> SafeString | str:
        if channel._state.adding:
            return gettext("New")
        page = reverse("admin:approvals_channel_test", args=[channel.pk])
        description = (
            f"{channel.get_state_display()}. {channel.error}" if channel.error else channel.get_state_display()
        )
        link = '{} <a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>'
        return format_html(link, description, page, gettext("Test"))


@admin.register(Channel)
class ChannelAdmin(AdminDefaults, ModelAdmin):
    """Every channel and whether it works. People's own are theirs: seen here without an address, and tested."""

    form = TierChannelForm
    list_display = ("__str__", "whose", "service", "carries", "condition", "tried_at", "error")
    list_filter = ("state", "active", "service", ("tier", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("user", "tier", "domain")
    search_fields = ("name", "user__username", "service")
    fields = (
        "tier", "domain", "address", "name", "carries", "active", "trial", "service", "condition", "tried_at", "error",
    )  # fmt: skip
    readonly_fields = ("service", "condition", "tried_at", "error")
    actions_detail = ("test",)

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        mine = isinstance(obj, Channel) and obj.user_id is not None
        return ("whose", *(name for name in self.fields[3:] if name != "trial")) if mine else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Channel | None = None) -> tuple[str, ...]:
        return (*self.readonly_fields, "whose") if obj is not None and obj.user_id else self.readonly_fields

    def has_change_permission(self, request: HttpRequest, obj: Channel | None = None) -> bool:
        return bool(super().has_change_permission(request, obj)) and not (obj is not None and obj.user_id)

    def has_delete_permission(self, request: HttpRequest, obj: Channel | None = None) -> bool:
        return bool(super().has_delete_permission(request, obj)) and not (obj is not None and obj.user_id)

    def get_actions(self, request: HttpRequest) -> Any:
        return {}  # deleting many at once would reach people's own

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        if db_field.name == "tier":
            field.required = True
        return field

    def save_model(self, request: HttpRequest, obj: Channel, form: "ModelForm[Any]", change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not obj.active:
            notifications.drop_notifications([obj.pk])
        if isinstance(form, TierChannelForm):
            test_saved(request, form)

    @display(description=_("of"), ordering="user__username")
    def whose(self, channel: Channel) -> str:
        if channel.user:
            return channel.user.name
        return f"{channel.tier} · {channel.domain or gettext('every domain')}"

    @display(
        description=_("state"), ordering="state",
        label={"untried": "", "works": "success", "failed": "danger", "off": "warning"},
    )  # fmt: skip
    def condition(self, channel: Channel) -> tuple[str, str]:
        return (channel.state, channel.get_state_display()) if channel.active else ("off", gettext("Off"))

    def has_test_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("approvals.change_channel")

    @action(description=_("Test"), icon="send", permissions=["test"])
    def test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send one message that asks for nothing, and show what came of it."""
        channel = get_object_or_404(Channel.objects.select_related("user", "tier"), pk=object_id)
        tried = {"error": sending.send_test_message(channel)} if request.method == "POST" else None
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": channel,
            "title": gettext("Test %(channel)s") % {"channel": channel},
            "tried": tried,
        }
        return TemplateResponse(request, "admin/telling/test.html", context)


# --- Who is reached by nothing


def reachability(user: User) -> tuple[str, str]:
    """A mark for one person: whether anything reaches them."""
    return ("yes", gettext("reached")) if user.pk in reachable([user]) else ("no", gettext("nothing reaches them"))


def unreachable_in(tier: Tier) -> str:
    """The names of a tier's active people whom nothing reaches; empty where everybody is."""
    people = User.objects.filter(memberships__tier=tier, is_active=True).distinct().order_by("username")
    return ", ".join(one.name for one in unreachable(list(people)))
