"""Webhooks in the admin: where agents are told, what is on its way there, and what was given up."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from agents.webhooks import addresses, signing
from approvals.admin.base import NeverDeleted, ReadOnlyAdmin
from approvals.db import times
from approvals.db.ids import new_id
from approvals.models import Agent, Delivery, Endpoint
from approvals.notify import deliveries, outbox

_TEST = "webhook.test"


class EndpointForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    url = forms.CharField(
        label=_("Address"),
        max_length=2000,
        widget=UnfoldAdminTextInputWidget(),
        help_text=_("https, of the internet. Redirects are not followed."),
    )
    topics = forms.MultipleChoiceField(
        label=_("Told of"),
        choices=[(topic, topic) for topic in outbox.TOPICS],
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text=_("None chosen: of everything."),
    )

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            addresses.read(url)
        except addresses.Forbidden as forbidden:
            raise ValidationError(str(forbidden)) from None
        return url

    def _get_validation_exclusions(self) -> set[str]:
        # The model's validator knows no exceptions for the hosts of a development machine.
        return {*super()._get_validation_exclusions(), "url"}  # type: ignore[misc]  # the stubs leave it out


def _count(status: str) -> Coalesce:
    """How many webhooks of an endpoint are in a status, by the partial index of that status."""
    rows = Delivery.objects.filter(endpoint=OuterRef("pk"), channel=Delivery.Channel.WEBHOOK, status=status)
    return Coalesce(Subquery(rows.order_by().values("endpoint").annotate(n=Count("pk")).values("n")), 0)


def _deliveries(endpoint: Endpoint, count: int, status: str) -> object:
    """A number that opens the rows which it counts."""
    if not count:
        return 0
    path = reverse("admin:approvals_delivery_changelist")
    query = f"?endpoint__id__exact={endpoint.pk}&status__exact={status}"
    return format_html('<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', path + query, count)


def _rests(endpoint: Endpoint) -> bool:
    return endpoint.rests_until is not None and endpoint.rests_until > times.now()


@admin.register(Endpoint)
class EndpointAdmin(NeverDeleted):
    form = EndpointForm
    list_display = ("address", "agent", "state", "waiting", "dead", "event_types")
    list_filter = ("active", "callback", "agent")
    list_select_related = ("agent",)
    search_fields = ("url", "agent__name")
    fields = ("agent", "url", "topics", "active", "standing", "secrets", "waiting", "dead", "created_at")
    readonly_fields = ("standing", "secrets", "waiting", "dead", "created_at")
    actions_detail = ("test", "rotate", "replay_dead")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Endpoint]:
        endpoints: QuerySet[Endpoint] = super().get_queryset(request)
        return endpoints.annotate(due=_count(Delivery.Status.DUE), given_up=_count(Delivery.Status.DEAD))

    def get_fields(self, request: HttpRequest, obj: Endpoint | None = None) -> tuple[str, ...]:
        if obj is None:
            return ("agent", "url", "topics")
        return tuple(name for name in self.fields if not (obj.callback and name in {"topics", "secrets"}))

    def get_readonly_fields(self, request: HttpRequest, obj: Endpoint | None = None) -> tuple[str, ...]:
        if obj is None:
            return ()
        # Whose secret signs, and what a place of callbacks is called, are settled.
        return (*self.readonly_fields, "agent", *(("url",) if obj.callback else ()))

    @display(description=_("address"))
    def address(self, endpoint: Endpoint) -> str:
        shown = Truncator(endpoint.url).chars(56)
        return gettext("%(place)s (callbacks)") % {"place": shown} if endpoint.callback else shown

    @display(description=_("state"), label={"on": "success", "rests": "warning", "off": "danger"})
    def state(self, endpoint: Endpoint) -> tuple[str, str]:
        if not endpoint.active:
            return "off", gettext("off")
        return ("rests", gettext("rests")) if _rests(endpoint) else ("on", gettext("on"))

    @display(description=_("state"))
    def standing(self, endpoint: Endpoint) -> str:
        """The same in words."""
        if not endpoint.active:
            return endpoint.ended or gettext("off")
        if not _rests(endpoint):
            return gettext("on")
        facts = {"failures": endpoint.failures, "until": f"{endpoint.rests_until:%H:%M:%S}"}
        return gettext("failed %(failures)d times in a row, rests until %(until)s UTC") % facts

    @display(description=_("told of"))
    def event_types(self, endpoint: Endpoint) -> str:
        return ", ".join(endpoint.topics) or gettext("everything")

    @display(description=_("on their way"))
    def waiting(self, endpoint: Endpoint) -> object:
        return _deliveries(endpoint, getattr(endpoint, "due", 0), Delivery.Status.DUE)

    @display(description=_("given up"))
    def dead(self, endpoint: Endpoint) -> object:
        return _deliveries(endpoint, getattr(endpoint, "given_up", 0), Delivery.Status.DEAD)

    @display(description=_("secret"))
    def secrets(self, endpoint: Endpoint) -> str:
        until = signing.overlaps_until(endpoint.secret, now=times.now())
        if until is None:
            return gettext("one signs")
        return gettext("two sign, the earlier one until %(until)s UTC") % {"until": f"{until:%Y-%m-%d %H:%M}"}

    def save_model(self, request: HttpRequest, obj: Endpoint, form: "ModelForm[Any]", change: bool) -> None:
        if not change:
            obj.secret, obj.shown = signing.make()  # type: ignore[attr-defined]  # response_add() shows it, once
        elif "active" in form.changed_data and obj.active:
            obj.ended, obj.failures, obj.rests_until = "", 0, None
        super().save_model(request, obj, form, change)

    def response_add(self, request: HttpRequest, obj: Endpoint, post_url_continue: str | None = None) -> HttpResponse:
        title = gettext("Webhook to %(url)s") % {"url": outbox.origin_of(obj.url)}
        return self._page(request, obj, title, "secret.html", secret=obj.shown)  # type: ignore[attr-defined]  # as above

    @action(description=_("Test"), icon="send", permissions=["own"])
    def test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send one signed event now and show what came back; nothing of it is kept."""
        endpoint = get_object_or_404(Endpoint.objects.select_related("agent"), pk=object_id, callback=False)
        tried = _tried(endpoint) if request.method == "POST" else None
        title = gettext("Test the webhook to %(url)s") % {"url": outbox.origin_of(endpoint.url)}
        return self._page(request, endpoint, title, "test.html", tried=tried)

    @action(description=_("New secret"), icon="autorenew", permissions=["own"])
    def rotate(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A new secret, shown once; both sign until the overlap ends."""
        endpoint = get_object_or_404(Endpoint, pk=object_id, callback=False)
        secret = ""
        if request.method == "POST":
            endpoint.secret, secret = signing.rotate(endpoint.secret, now=times.now())
            endpoint.save(update_fields=["secret"])
            self.log_change(request, endpoint, "Replaced the secret.")
        title = gettext("Replace the secret of %(url)s") % {"url": outbox.origin_of(endpoint.url)}
        return self._page(request, endpoint, title, "secret.html", secret=secret, overlap=signing.OVERLAP)

    @action(description=_("Replay"), icon="replay", permissions=["change"])
    def replay_dead(self, request: HttpRequest, object_id: str) -> HttpResponse:
        endpoint = get_object_or_404(self.get_queryset(request), pk=object_id)
        if request.method == "POST":
            dead = Delivery.objects.filter(endpoint=endpoint, status=Delivery.Status.DEAD)
            _replay_message(request, deliveries.replay(dead))
            self.log_change(request, endpoint, "Sent again what was given up.")
            return HttpResponseRedirect(reverse("admin:approvals_endpoint_change", args=[endpoint.pk]))
        title = gettext("Send again what was given up")
        return self._page(request, endpoint, title, "replay.html")

    def has_own_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        """What concerns an endpoint's own secret: places of callbacks have none."""
        is_callback = object_id is not None and Endpoint.objects.filter(pk=object_id, callback=True).exists()
        return self.has_change_permission(request) and not is_callback

    def _page(
        self, request: HttpRequest, endpoint: Endpoint, title: str, template: str, **more: object
    ) -> TemplateResponse:
        context = {**self.admin_site.each_context(request), "opts": self.opts, "original": endpoint, "title": title}
        return TemplateResponse(request, f"admin/webhooks/{template}", {**context, **more})


def _tried(endpoint: Endpoint) -> dict[str, object]:
    """The status and time of a signed test event, or why there was no answer."""
    # Here, so that web processes that nobody tests with do not carry the HTTP client.
    from agents.webhooks import post, sender

    delivery = Delivery(
        id=new_id(),
        endpoint=endpoint,
        topic=_TEST,
        target=endpoint.url,
        payload={"type": _TEST, "timestamp": times.now().isoformat(), "data": {"endpoint": str(endpoint.pk)}},
    )

    async def send() -> post.Answer:
        async with post.Poster() as poster:
            return await sender.attempt(delivery, poster)

    try:
        # A thread of its own: this one may have an event loop already.
        with ThreadPoolExecutor(1) as thread:
            answer = thread.submit(asyncio.run, send()).result()
    except (addresses.Forbidden, post.Unanswered) as error:
        return {"error": str(error)}
    failure = sender.failure_of(answer)
    return {"status": answer.status, "ms": round(answer.seconds * 1000), "error": failure.error if failure else ""}


def _to_the_second(at: datetime) -> str:
    """In the viewer's zone: attempts follow one another within seconds."""
    return date_format(timezone.localtime(at), "j M H:i:s")


def _replay_message(request: HttpRequest, count: int) -> None:
    """How many go out again."""
    if count:
        messages.success(request, gettext("%(count)d are sent again, under the ids they had.") % {"count": count})
    else:
        messages.warning(request, gettext("Nothing to send again: none was given up, or the webhook is off."))


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = ("written", "topic", "recipient", "state", "attempts", "last_answer", "next")
    list_filter = (
        "status", "topic", "channel", ("via", admin.RelatedOnlyFieldListFilter),
        ("endpoint", admin.RelatedOnlyFieldListFilter),
    )  # fmt: skip
    list_select_related = ("endpoint__agent", "user", "via__tier")
    search_fields = ("=id", "=approval__id")
    ordering = ("-created_at",)
    fields = (
        "id", "channel", "topic", "recipient", "approval", "user", "state", "attempts", "answered", "last_error",
        "next", "gives_up_at", "created_at", "done_at", "payload",
    )  # fmt: skip
    readonly_fields = fields
    actions = ("replay",)
    actions_detail = ("replay_this",)

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        """Ids and small facts stand in here: who configures webhooks may read them."""
        return bool(request.user.is_active and request.user.has_perm("approvals.view_delivery"))

    @display(description=_("written"), ordering="created_at")
    def written(self, delivery: Delivery) -> str:
        return _to_the_second(delivery.created_at)

    @display(description=_("answer"))
    def last_answer(self, delivery: Delivery) -> str:
        """The last status; where nothing answered, why."""
        return str(delivery.answered or "") or Truncator(delivery.last_error).chars(48)

    @display(description=_("to"))
    def recipient(self, delivery: Delivery) -> str:
        if delivery.endpoint is not None and delivery.channel == Delivery.Channel.WEBHOOK:
            return f"{delivery.endpoint.agent.name} · {outbox.origin_of(delivery.target).partition('://')[2]}"
        if delivery.via is not None:
            whom = delivery.user.name if delivery.user else delivery.via.tier
            return f"{whom} · {delivery.via}"
        return delivery.user.name if delivery.user else delivery.target

    @display(
        description=_("state"), ordering="status",
        label={"due": "info", "done": "success", "dropped": "", "dead": "danger"},
    )  # fmt: skip
    def state(self, delivery: Delivery) -> tuple[str, str]:
        return delivery.status, delivery.get_status_display()

    @display(description=_("next"))
    def next(self, delivery: Delivery) -> str:
        return _to_the_second(delivery.due_at) if delivery.status == Delivery.Status.DUE else ""

    def has_replay_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        if not request.user.has_perm("approvals.change_endpoint"):
            return False
        if object_id is None:
            return True
        ended = [Delivery.Status.DEAD, Delivery.Status.DONE]
        return Delivery.objects.filter(pk=object_id, channel=Delivery.Channel.WEBHOOK, status__in=ended).exists()

    @admin.action(description=_("Send again"), permissions=["replay"])
    def replay(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        _replay_message(request, deliveries.replay(Delivery.objects.filter(pk__in=queryset.values("pk"))))

    @action(description=_("Send again"), icon="replay", permissions=["replay"])
    def replay_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        delivery = get_object_or_404(Delivery, pk=object_id)
        if request.method == "POST":
            _replay_message(request, deliveries.replay(Delivery.objects.filter(pk=delivery.pk)))
            return HttpResponseRedirect(reverse("admin:approvals_delivery_change", args=[delivery.pk]))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": delivery,
            "title": gettext("Send it again"),
        }
        return TemplateResponse(request, "admin/webhooks/replay.html", context)


class CallbackSecret(ModelAdmin):
    """On an agent's page: the secret that signs what goes to the `callback_url` of its requests."""

    @action(description=_("Callback secret"), icon="webhook", permissions=["callback_secret"])
    def callback_secret(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A new secret, shown once; the one before, which nobody may have seen, signs until the overlap ends."""
        agent = get_object_or_404(Agent, pk=object_id)
        secret = ""
        if request.method == "POST":
            agent.callback_secret, secret = signing.rotate(agent.callback_secret, now=times.now())
            agent.save(update_fields=["callback_secret"])
            self.log_change(request, agent, "Replaced the secret of callbacks.")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": agent,
            "title": gettext("The callback secret of %(agent)s") % {"agent": agent},
            "secret": secret,
            "overlap": signing.OVERLAP,
        }
        return TemplateResponse(request, "admin/webhooks/secret.html", context)

    def has_callback_secret_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("approvals.change_agent")
