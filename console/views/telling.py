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

from approvals import vault
from approvals.models import Channel, User
from approvals.reachable import reachable
from approvals.review import notices, slack, telling
from console import slackapp
from console.channelforms import FORMS, ChannelForm, WishesForm
from console.http import ConsoleRequest, is_fragment

MOST = 20  # channels of one person
OFF = "off"


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def wishes(request: ConsoleRequest) -> HttpResponse:
    """What one wants to hear of, by which channels, and when not."""
    person = User.objects.get(pk=request.user.pk)
    form = WishesForm(request.POST or None, instance=person)
    if request.method == "POST" and form.is_valid():
        form.save()
        telling.channels_of(person)  # the own address is a channel with a row from now on
        messages.success(request, _("Saved."))
        return redirect("telling")
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
        kept=vault.keep(form.cleaned_data["url"].encode()),
        carries=form.cleaned_data["carries"],
    )
    messages.success(request, _("Added. Send a test to see whether it arrives."))
    return redirect("telling")


@login_required
@require_POST
def channel(request: ConsoleRequest, pk: UUID) -> HttpResponse:
    """Test one of one's own channels, remove it, switch it off, or change what it carries."""
    found = get_object_or_404(Channel.objects.select_related("user"), pk=pk, user=request.user)
    said = ""
    match request.POST.get("op"):
        case "test":
            said = _tested(found)
        case "remove" if found.service == Channel.SLACK:
            slack.unlink(request.user)
        case "remove" if not found.is_mail:
            found.delete()
        case _:
            _set(found, request.POST.get("carries", ""))
    if is_fragment(request):
        return render(request, "_channels.html", _channels(request, tested=found.pk, said=said))
    if said:
        messages.info(request, said)
    return redirect("telling")


def _tested(channel: Channel) -> str:
    if not cache.add(f"tell:test:{channel.pk}", 1, timeout=5):
        return _("One test every five seconds.")
    error = notices.test(channel)
    return _("It did not arrive: %(error)s") % {"error": error} if error else _("Sent. Look whether it arrived.")


def _set(channel: Channel, carries: str) -> None:
    if carries == OFF:
        Channel.objects.filter(pk=channel.pk).update(active=False)
        telling.drop([channel.pk])
    elif carries in Channel.Carries:
        Channel.objects.filter(pk=channel.pk).update(active=True, carries=carries)


@login_required
@require_POST
def slack_link(request: ConsoleRequest) -> HttpResponse:
    """A code that makes the Slack account in which it is typed this person's; or the end of that."""
    if request.POST.get("op") == "unlink":
        slack.unlink(request.user)
        messages.success(request, _("Your account in Slack is linked no more."))
        return redirect("telling")
    return _page(request, code=slackapp.code_for(request.user) if slack.on() else "")


# --- The page


@dataclass(frozen=True, slots=True)
class Line:
    """One channel as the page lists it."""

    channel: Channel
    choices: list[tuple[str, str, bool]]
    said: str = ""

    @property
    def title(self) -> str:
        return _("Your e-mail address") if self.channel.is_mail else str(self.channel)


def _line(channel: Channel, said: str) -> Line:
    now = channel.carries if channel.active else OFF
    choices = [*Channel.Carries.choices, (OFF, _("Nothing: off"))]
    return Line(channel, [(value, str(label), value == now) for value, label in choices], said)


def _channels(request: ConsoleRequest, *, tested: UUID | None = None, said: str = "") -> dict[str, object]:
    person = User.objects.get(pk=request.user.pk)
    lines = [_line(one, said if one.pk == tested else "") for one in telling.channels_of(person)]
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
        "slack_on": slack.on(),
        "linked": getattr(request.user, "slack", None) if slack.on() else None,
        "code": code,
    }
    return render(request, "telling.html", context, status=status)
