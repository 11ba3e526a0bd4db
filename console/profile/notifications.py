"""One's own notifications: the channels, what they carry, when they are silent; and the account in Slack."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from approvals.db import secret_box
from approvals.models import Channel, User
from approvals.notify import notifications, sending, slack
from approvals.people.reachable import reachable
from console.http import ConsoleRequest, is_fragment
from console.profile.channel_forms import FORMS, ChannelForm, WishesForm
from console.slack import app

MOST = 20  # channels of one person
OFF = "off"


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: ConsoleRequest) -> HttpResponse:
    """What one wants to hear of, by which channels, and when not."""
    person = User.objects.get(pk=request.user.pk)
    form = WishesForm(request.POST or None, instance=person)
    if request.method == "POST" and form.is_valid():
        form.save()
        notifications.channels_of(person)  # the own address is a channel with a row from now on
        messages.success(request, _("Saved."))
        return redirect("profile:notifications")
    return _page(request, wishes=form, status=422 if form.errors else 200)


@login_required
@require_POST
def add(request: ConsoleRequest) -> HttpResponse:
    """A new channel, from an address that was pasted or from the form of its service."""
    kind = request.POST.get("kind", "")
    form = FORMS.get(kind, FORMS["other"])[1](request.POST)
    if request.user.channels.count() >= MOST:
        form.add_error(None, _("You have %(most)d channels; remove one first.") % {"most": MOST})
    if not form.is_valid():
        return _page(request, kind=kind, adding=form, status=422)
    service = form.cleaned_data["service"]
    Channel.objects.create(
        user=request.user,
        service=service.scheme,
        name=form.cleaned_data["name"].strip() or service.name,
        kept=secret_box.seal_secret(form.cleaned_data["url"].encode()),
        carries=form.cleaned_data["carries"],
    )
    messages.success(request, _("Added. Send a test to see whether it arrives."))
    return redirect("profile:notifications")


@login_required
@require_POST
def channel(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """Test one of one's own channels, remove it, switch it off, or change what it carries."""
    channel_record = get_object_or_404(Channel.objects.select_related("user"), pk=pk, user=request.user)
    test_result = ""
    match request.POST.get("op"):
        case "test":
            test_result = _tested(channel_record)
        case "remove" if channel_record.service == Channel.SLACK:
            slack.unlink(request.user)
        case "remove" if not channel_record.is_mail:
            channel_record.delete()
        case _:
            _set(channel_record, request.POST.get("carries", ""))
    if is_fragment(request):
        return render(request, "_channels.html", _channels(request, tested=channel_record.pk, test_result=test_result))
    if test_result:
        messages.info(request, test_result)
    return redirect("profile:notifications")


def _tested(channel: Channel) -> str:
    if not cache.add(f"tell:test:{channel.pk}", 1, timeout=5):
        return _("One test every five seconds.")
    error = sending.send_test_message(channel)
    return _("It did not arrive: %(error)s") % {"error": error} if error else _("Sent. Look whether it arrived.")


def _set(channel: Channel, carries: str) -> None:
    if carries == OFF:
        Channel.objects.filter(pk=channel.pk).update(active=False)
        notifications.drop_notifications([channel.pk])
    elif carries in Channel.Carries:
        Channel.objects.filter(pk=channel.pk).update(active=True, carries=carries)


@login_required
@require_POST
def slack_link(request: ConsoleRequest) -> HttpResponse:
    """A code that makes the Slack account in which it is typed this person's; or the end of that."""
    if request.POST.get("op") == "unlink":
        slack.unlink(request.user)
        messages.success(request, _("Your account in Slack is linked no more."))
        return redirect("profile:notifications")
    return _page(request, code=app.code_for(request.user) if slack.is_configured() else "")


# --- The page


@dataclass(frozen=True, slots=True)
class ChannelLine:
    """One channel as the page lists it."""

    channel: Channel
    choices: list[tuple[str, str, bool]]
    test_result: str = ""

    @property
    def title(self) -> str:
        return _("Your e-mail address") if self.channel.is_mail else str(self.channel)


def _line(channel: Channel, test_result: str) -> ChannelLine:
    now = channel.carries if channel.active else OFF
    choices = [*Channel.Carries.choices, (OFF, _("Nothing: off"))]
    return ChannelLine(channel, [(value, str(label), value == now) for value, label in choices], test_result)


def _channels(request: ConsoleRequest, *, tested: UUID | None = None, test_result: str = "") -> dict[str, object]:
    person = User.objects.get(pk=request.user.pk)
    lines = [
        _line(channel, test_result if channel.pk == tested else "") for channel in notifications.channels_of(person)
    ]
    return {"lines": lines, "reached": person.pk in reachable([person])}


def _page(
    request: ConsoleRequest,
    *,
    wishes: WishesForm | None = None,
    kind: str = "",
    adding: ChannelForm | None = None,
    code: str = "",
    status: int = 200,
) -> HttpResponse:
    kind = kind or request.GET.get("add", "")
    if adding is None and kind in FORMS:
        adding = FORMS[kind][1]()
    context = {
        **_channels(request),
        "form": wishes or WishesForm(instance=User.objects.get(pk=request.user.pk)),
        "kind": kind,
        "kinds": [(name, label) for name, (label, _form) in FORMS.items()],
        "adding": adding,
        "slack_on": slack.is_configured(),
        "linked": getattr(request.user, "slack", None) if slack.is_configured() else None,
        "code": code,
    }
    return render(request, "notifications.html", context, status=status)
