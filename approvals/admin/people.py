"""People, what a second admin has to agree to, and domains."""

from collections.abc import Iterable
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.forms import ReadOnlyPasswordHashWidget
from django.contrib.auth.hashers import is_password_usable
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.forms import UserChangeForm
from unfold.widgets import UnfoldAdminSelectWidget

from approvals.admin.absences import AbsenceInline, warn_uncovered
from approvals.admin.base import NeverDeleted, ValidatedAsWhole, signed_in
from approvals.admin.channels import reachability
from approvals.admin.fields import Zone
from approvals.admin.memberships import MembershipInline, say_waiting
from approvals.errors import NotAllowed
from approvals.history import audit
from approvals.models import Absence, Domain, SecondAdminRequest, SystemAuditEvent, User
from approvals.people import invitations, second_admin
from approvals.policy import retired_domains, snapshot
from approvals.policy.authoring.coverage import Gap
from approvals.values.schema import Json

RIGHTS = {"is_manager", "is_auditor", "is_active", "is_staff", "groups", "is_superuser"}


class PasswordSet(ReadOnlyPasswordHashWidget):
    """Whether there is a password, and nothing of its hash."""

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        label = gettext("A password is set") if value and is_password_usable(value) else gettext("No password is set")
        return {**super().get_context(name, value, attrs), "summary": [{"label": label}]}


class PersonForm(UserChangeForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].widget = PasswordSet()
        self.fields["password"].help_text = ""


class NewPersonForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """An account without a password: the person sets it by a link."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].required = True

    def save(self, commit: bool = True) -> Any:
        self.instance.set_unusable_password()
        return super().save(commit)


@admin.register(User)
class PersonAdmin(BaseUserAdmin, NeverDeleted, ValidatedAsWhole):  # type: ignore[type-arg,misc]  # stubs
    """People are deactivated, never deleted: history points at them."""

    form = PersonForm
    add_form = NewPersonForm
    actions_detail = ("invite",)
    inlines = [MembershipInline, AbsenceInline]
    list_display = (
        "username",
        "called",
        "email",
        "tiers",
        "reachability",
        "rights",
        "is_active",
    )
    list_filter = ("is_active", "memberships__tier", "memberships__domain", "is_manager", "is_auditor", "is_staff")
    search_fields = ("username", "first_name", "last_name", "email")
    ordering = ("username",)
    filter_horizontal = ()
    readonly_fields = ("last_login", "date_joined")
    fieldsets = (
        (None, {"fields": ("username", "password", "first_name", "last_name", "email")}),
        (
            _("Reads everything, decides nothing"),
            {
                "fields": ("is_manager", "is_auditor"),
                "description": _(
                    "Deciding comes from a membership below, never from one of these. Nobody grants them to oneself."
                ),
            },
        ),
        (
            _("Configures"),
            {
                "fields": ("is_active", "is_staff", "groups", "is_superuser"),
                "description": _(
                    "Staff in the group Admins edit policy, people and agents here. Superusers also look at records "
                    "and grant these. Neither sees what agents propose, and neither decides."
                ),
            },
        ),
        (_("Profile"), {"fields": ("language", "time_zone", "theme", "shortcuts")}),
        (_("Dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": ("username", "email", "first_name", "last_name"),
                "description": _("The person gets a letter with a link, and sets the password."),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        people: QuerySet[User] = super().get_queryset(request).prefetch_related("memberships")
        return people

    def get_inlines(self, request: HttpRequest, obj: models.Model | None) -> list[type[Any]]:
        # First the account, then, on the page that follows, what it may do.
        return self.inlines if obj else []

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        fields: tuple[str, ...] = (*self.readonly_fields,)
        if not request.user.is_superuser:
            fields += ("is_staff", "groups", "is_superuser")
        if obj is not None and obj.has_usable_password():
            fields += ("email",)  # else an admin could have the next link sent to themselves; the person changes it
        if obj is not None and obj.pk == request.user.pk:
            fields += ("is_manager", "is_auditor", "is_active", "is_staff", "groups", "is_superuser")
        return tuple(dict.fromkeys(fields))

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        # Else an admin could lock a superuser out.
        if obj is not None and obj.is_superuser and not request.user.is_superuser:
            return False
        return bool(super().has_change_permission(request, obj))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        raise PermissionDenied  # a password is its person's

    @action(description=_("Send a link to set a password"), icon="mail", permissions=["invite"])
    def invite(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask first; only the POST sends."""
        person = get_object_or_404(User, pk=object_id)
        if request.method != "POST":
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "original": person,
                "title": gettext("Send %(name)s a link to set a password") % {"name": person.name},
            }
            return TemplateResponse(request, "admin/people/invite.html", context)
        self._send_link(request, person)
        return HttpResponseRedirect(reverse("admin:approvals_user_change", args=[person.pk]))

    def has_invite_permission(self, request: HttpRequest, object_id: str | None = None) -> bool:
        person = User.objects.filter(pk=object_id, is_active=True).first() if object_id else None
        return person is not None and self.has_change_permission(request, person)

    def _send_link(self, request: HttpRequest, person: User) -> None:
        facts = {"address": person.email, "name": person.username}
        me = signed_in(request)
        if second_admin.is_reset(person):
            people_request = second_admin.of_link(person, by=me)
            if second_admin.other_admins(me):
                second_admin.ask(people_request)
                messages.warning(request, _("The link waits for a second admin."))
                return
            second_admin.record_given_alone(people_request)
        if invitations.invite(person, by=audit.actor_of(signed_in(request))):
            message = _("A link to set a password went to %(address)s. It works once, and for three days.")
            messages.success(request, message % facts)
        else:
            message = _("No letter could be sent. On the server, `manage.py invite %(name)s` prints the link.")
            messages.warning(request, message % facts)

    def save_model(self, request: HttpRequest, obj: models.Model, form: "ModelForm[Any]", change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change and isinstance(obj, User):
            self._send_link(request, obj)
        changed = sorted({*form.changed_data} & RIGHTS)
        if changed and isinstance(obj, User):
            new_rights: dict[str, Json] = {
                name: sorted(group.name for group in form.cleaned_data[name])
                if name == "groups"
                else form.cleaned_data[name]
                for name in changed
            }
            audit.record(
                SystemAuditEvent.Kind.RIGHTS_CHANGED,
                by=audit.actor_of(signed_in(request)),
                subject=f"user:{obj.username}",
                detail=new_rights,
            )

    def save_formset(self, request: HttpRequest, form: "ModelForm[Any]", formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        say_waiting(request, formset)
        if formset.model is Absence:
            for absence in formset.new_objects + [changed for changed, _fields in formset.changed_objects]:
                warn_uncovered(request, absence)

    def formfield_for_dbfield(self, db_field: "models.Field[Any, Any]", request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "time_zone":
            return Zone()
        if db_field.name == "language":
            return forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES, widget=UnfoldAdminSelectWidget)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @display(description=_("notifications"), label={"yes": "", "no": "danger"})
    def reachability(self, person: User) -> tuple[str, str]:
        """Whether anything reaches the person, for whoever has to answer in time."""
        if not person.is_active or not person.memberships.all():
            return "", ""
        return reachability(person)

    @display(description=_("name"), ordering=("first_name", "last_name"))
    def called(self, person: User) -> str:
        return person.get_full_name()

    @display(description=_("rights"))
    def rights(self, person: User) -> str:
        """What the person reads or configures, beside what they decide."""
        rights = (
            (person.is_manager, gettext("manager")),
            (person.is_auditor, gettext("auditor")),
            (person.is_superuser, gettext("superuser")),
            (person.is_staff and not person.is_superuser, gettext("staff")),
        )
        return ", ".join(right for holds, right in rights if holds)

    @display(description=_("decides in"))
    def tiers(self, person: User) -> str:
        """What the person may decide: `1 finance, general · 2 every domain`; empty for nothing."""
        by_tier: dict[int, list[str]] = {}
        for row in sorted(person.memberships.all(), key=lambda row: (row.tier_id, row.domain_id or "")):
            by_tier.setdefault(row.tier_id, []).append(row.domain_id or gettext("every domain"))
        return " · ".join(f"{tier} {', '.join(domains)}" for tier, domains in by_tier.items())


@admin.register(SecondAdminRequest)
class PeopleRequestAdmin(NeverDeleted, ModelAdmin):
    """Given or refused by another admin than who asked; never edited."""

    list_display = ("asks", "user", "asked_by", "asked_at", "state")
    list_select_related = ("user", "tier", "domain", "asked_by", "closed_by")
    list_filter = ("what", "given")
    list_before_template = "admin/people/_answers.html"
    actions = ("give", "refuse")

    def get_list_display(self, request: HttpRequest) -> Any:
        me = signed_in(request)

        @display(description=_("answer"))
        def answers(people_request: SecondAdminRequest) -> str:
            """The actions of the list as buttons, for whom they may serve."""
            if not second_admin.may_answer(people_request, me):
                return ""
            return render_to_string("admin/people/_answer.html", {"asked": people_request})

        return [*super().get_list_display(request), answers]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: SecondAdminRequest | None = None) -> bool:
        return False

    def has_answer_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("approvals.change_membership"))

    @admin.action(description=_("Give"), permissions=["answer"])
    def give(self, request: HttpRequest, queryset: QuerySet[SecondAdminRequest]) -> None:
        self._answer(request, queryset, second_admin.give)

    @admin.action(description=_("Refuse"), permissions=["answer"])
    def refuse(self, request: HttpRequest, queryset: QuerySet[SecondAdminRequest]) -> None:
        self._answer(request, queryset, second_admin.refuse)

    def _answer(self, request: HttpRequest, queryset: QuerySet[SecondAdminRequest], answer: Any) -> None:
        for people_request in queryset:
            try:
                answer(people_request.pk, by=signed_in(request))
            except NotAllowed as error:
                messages.error(request, f"{people_request}: {error}")
            else:
                messages.success(request, _("%(what)s: answered.") % {"what": people_request})

    @display(description=_("what"), ordering="what")
    def asks(self, people_request: SecondAdminRequest) -> str:
        """The membership with its place, or the link."""
        if people_request.tier is None:
            return people_request.get_what_display()
        domain = people_request.domain or gettext("every domain")
        return f"{people_request.get_what_display()}, {people_request.tier}, {domain}"

    @display(description=_("state"), label={"open": "warning", "given": "success", "alone": "danger"})
    def state(self, people_request: SecondAdminRequest) -> tuple[str, str]:
        if people_request.given is None:
            return "open", gettext("Waiting")
        if not people_request.given:
            return "", gettext("Refused by %(who)s") % {"who": people_request.closed_by}
        return (
            ("given", gettext("Given by %(who)s") % {"who": people_request.closed_by})
            if people_request.closed_by
            else ("alone", gettext("Given by one admin alone"))
        )


@admin.register(Domain)
class DomainAdmin(NeverDeleted, ValidatedAsWhole):
    """Retired rather than deleted: memberships and what was decided there name it."""

    list_display = ("name", "slug", "active")
    list_filter = ("active",)
    search_fields = ("name", "slug")

    def get_readonly_fields(self, request: HttpRequest, obj: Domain | None = None) -> tuple[str, ...]:
        return ("slug",) if obj else ()  # a new short name would be a second domain

    def save_model(self, request: HttpRequest, obj: models.Model, form: "ModelForm[Any]", change: bool) -> None:
        snapshot.lock_policy_tables()  # no policy that names it is published meanwhile
        super().save_model(request, obj, form, change)

    def judge(self, obj: models.Model, before: frozenset[Gap], after: frozenset[Gap]) -> Iterable[str]:
        """Nothing of policy leads to a retired domain."""
        yield from super().judge(obj, before, after)
        yield from retired_domains.reasons_to_keep(cast(Domain, obj))


# What admins may do is code (approvals/roles.py); a group that anyone edits would not be.
admin.site.unregister(Group)
