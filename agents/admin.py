"""Agents, the people who run them, and their keys."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Max, Q, QuerySet
from django.db.models.functions import Now
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import TabularInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from agents import keys
from agents.models import ApiKey, Scope
from agents.webhooks.admin import CallbackSecret
from approvals.admin.base import NeverDeleted, signed_in
from approvals.execution import agent_pause
from approvals.models import Agent, User


class NameForm(forms.Form):
    name = forms.CharField(
        label=_("Name of the key"),
        max_length=80,
        help_text=_("Where it is used, for example “production”. Only people read it."),
        widget=UnfoldAdminTextInputWidget(),
    )
    scopes = forms.MultipleChoiceField(
        label=_("The key may"),
        choices=Scope.choices,
        initial=Scope.values,
        help_text=_("A worker that only runs what was approved needs the last two."),
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )


class AgentForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    by: User

    def clean_operators(self) -> QuerySet[User]:
        """Leaving one's own agent would let one decide what it proposes."""
        chosen: QuerySet[User] = self.cleaned_data["operators"]
        if self.instance._state.adding:
            return chosen
        if self.by in self.instance.operators.all() and self.by not in chosen:
            raise ValidationError(_("Nobody takes themselves off an agent that they operate; ask another admin."))
        return chosen


class KeyInline(TabularInline):
    model = ApiKey
    fields = ("prefix", "name", "created_at", "last_used_at", "expires_at", "revoked_at")
    readonly_fields = fields
    extra = 0
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


@admin.register(Agent)
class AgentAdmin(CallbackSecret, NeverDeleted):
    form = AgentForm
    inlines = [KeyInline]
    list_display = ("name", "description", "running", "active_keys", "last_seen")
    list_filter = (("paused_at", admin.EmptyFieldListFilter),)
    search_fields = ("name", "description")
    autocomplete_fields = ("operators",)
    fields = ("name", "description", "operators", "paused_at")
    readonly_fields = ("paused_at",)
    actions = ("pause", "resume")
    actions_detail = ("issue_key", "callback_secret")
    actions_submit_line = ("pause_this", "resume_this")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        usable = Q(keys__revoked_at=None) & (Q(keys__expires_at=None) | Q(keys__expires_at__gt=Now()))
        agents: QuerySet[Agent] = super().get_queryset(request)
        return agents.annotate(usable=models.Count("keys", filter=usable), seen=Max("keys__last_used_at"))

    def get_form(
        self, request: HttpRequest, obj: models.Model | None = None, change: bool = False, **kwargs: Any
    ) -> "type[ModelForm[models.Model]]":
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"by": request.user})

    @display(description=_("state"), label={"running": "success", "paused": "warning"})
    def running(self, agent: Agent) -> tuple[str, str]:
        return ("paused", gettext("paused")) if agent.paused_at else ("running", gettext("running"))

    @display(description=_("usable keys"))
    def active_keys(self, agent: Agent) -> int:
        return int(getattr(agent, "usable", 0))

    @display(description=_("last seen"))
    def last_seen(self, agent: Agent) -> object:
        return getattr(agent, "seen", None)

    @admin.action(description=_("Pause: refuse all that they propose"), permissions=["change"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        self.set_paused(request, queryset, paused=True)

    @admin.action(description=_("End the pause"), permissions=["change"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        self.set_paused(request, queryset, paused=False)

    @action(description=_("Save and pause"), permissions=["pause"])
    def pause_this(self, request: HttpRequest, agent: Agent) -> None:
        self.set_paused(request, Agent.objects.filter(pk=agent.pk), paused=True)

    @action(description=_("Save and end the pause"), permissions=["resume"])
    def resume_this(self, request: HttpRequest, agent: Agent) -> None:
        self.set_paused(request, Agent.objects.filter(pk=agent.pk), paused=False)

    def has_pause_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._is_paused(object_id) is not True and self.has_change_permission(request)

    def has_resume_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return self._is_paused(object_id) is not False and self.has_change_permission(request)

    def _is_paused(self, object_id: str | None) -> bool | None:
        """None where no agent is named: Unfold names it when it draws the button, not when the button was pressed."""
        if object_id is None:
            return None
        paused = Agent.objects.filter(pk=object_id).values_list("paused_at", flat=True)
        return None if not paused else paused[0] is not None

    def set_paused(self, request: HttpRequest, agents: QuerySet[Agent], *, paused: bool) -> None:
        """Pause or resume, with a line in each agent's history; those already there keep the time they have."""
        changing = [agent for agent in agents if agent_pause.pause(agent, by=signed_in(request), paused=paused)]
        names = ", ".join(agent.name for agent in changing)
        if names and paused:
            messages.warning(request, gettext("Paused: %(names)s. What is pending stays pending.") % {"names": names})
        elif names:
            messages.success(request, gettext("Running again: %(names)s.") % {"names": names})

    @action(description=_("Issue a key"), icon="key", permissions=["issue"])
    def issue_key(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a name, then show the secret: in this answer, and never again."""
        agent = get_object_or_404(Agent, pk=object_id)
        form = NameForm(request.POST or None)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": agent,
            "title": gettext("Issue a key for %(agent)s") % {"agent": agent},
            "form": form,
        }
        if request.method == "POST" and form.is_valid():
            key, secret = keys.issue(
                agent=agent, name=form.cleaned_data["name"], scopes=form.cleaned_data["scopes"], by=signed_in(request)
            )
            self.log_change(request, agent, f"Issued key {key.prefix}… “{key.name}” ({', '.join(key.scopes)}).")
            context |= {"key": key, "secret": secret}
        return TemplateResponse(request, "admin/agents/issue_key.html", context)

    def has_issue_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("agents.add_apikey")


@admin.register(ApiKey)
class ApiKeyAdmin(NeverDeleted):
    """Keys of agents and personal tokens: made by an agent's page or in a profile, revoked here, changed never."""

    list_display = ("prefix", "name", "agent", "user", "created_at", "last_used_at", "state")
    list_filter = ("agent", ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("agent", "user")
    search_fields = ("prefix", "name")
    ordering = ("-created_at",)
    fields = ("prefix", "name", "agent", "user", "may", "created_at", "last_used_at", "expires_at", "revoked_at")
    readonly_fields = ("may",)
    actions = ("revoke",)
    actions_detail = ("revoke_this",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    @display(description=_("may"))
    def may(self, key: ApiKey) -> str:
        if key.user_id:
            return gettext("what the person may")
        return " · ".join(str(scope.label) for scope in Scope if scope in key.scopes)

    @display(description=_("state"), label={"usable": "success", "revoked": "danger"})
    def state(self, key: ApiKey) -> tuple[str, str]:
        return ("revoked", gettext("revoked")) if key.revoked_at else ("usable", gettext("usable"))

    def has_revoke_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        return request.user.has_perm("agents.change_apikey")

    @admin.action(description=_("Revoke"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for key in queryset.filter(revoked_at=None):
            self.refuse(request, key)

    @action(description=_("Revoke"), icon="block", permissions=["revoke"])
    def revoke_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask first; only the POST revokes."""
        key = get_object_or_404(ApiKey, pk=object_id)
        if request.method == "POST":
            self.refuse(request, key)
            return HttpResponseRedirect(reverse("admin:agents_apikey_change", args=[key.pk]))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": key,
            "title": gettext("Revoke the key %(key)s") % {"key": key},
        }
        return TemplateResponse(request, "admin/agents/revoke_key.html", context)

    def refuse(self, request: HttpRequest, key: ApiKey) -> None:
        """Revoke, and say so here and in the key's history."""
        keys.revoke(key, by=signed_in(request))
        self.log_change(request, key, "Revoked.")
        sentence = gettext("%(key)s is revoked; within five seconds no one is let in with it.")
        messages.success(request, sentence % {"key": key})
