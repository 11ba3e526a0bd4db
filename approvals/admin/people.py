"""People, what they may decide, and when they are away."""

from collections.abc import Iterable
from typing import Any, cast

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as BaseUserAdmin
from django.contrib.auth.forms import ReadOnlyPasswordHashWidget
from django.contrib.auth.hashers import is_password_usable
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.forms import PaginationInlineFormSet, UserChangeForm
from unfold.widgets import UnfoldAdminSelectWidget

from approvals.admin.base import NarrowInline, NeverDeleted, ValidatedAsWhole, signed_in
from approvals.admin.channels import reachability
from approvals.admin.fields import Days, Zone, use_minute_inputs
from approvals.errors import NotAllowed
from approvals.history import audit
from approvals.models import Absence, Domain, Membership, SecondAdminRequest, SystemAuditEvent, User
from approvals.people import absences, invitations, second_admin
from approvals.policy import retired_domains, snapshot
from approvals.policy.authoring.coverage import Gap
from approvals.values.schema import Json

OWN_ABSENCE = _(
    "Nobody stands in for others by their own word, and one's own absence is entered on the profile page; for more "
    "ask another admin."
)
RIGHTS = {"is_manager", "is_auditor", "is_active", "is_staff", "groups", "is_superuser"}
OWN_TIERS = _("Nobody changes their own memberships; ask another admin.")


class MembershipFormSet(PaginationInlineFormSet):
    """Memberships of a person or of a tier. `by` is who edits, and may be nobody among them."""

    by: User
    new_objects: list[Membership]
    changed_objects: list[tuple[Membership, list[str]]]

    def clean(self) -> None:
        super().clean()
        for form in self.forms:
            # Who it is of now, and who it was of when the page was drawn.
            mine = self.by.pk in {form.instance.user_id, form.initial.get("user")}
            if mine and (form.has_changed() or self._should_delete_form(form)):
                raise ValidationError(OWN_TIERS, code="own_tiers")

    def save_new(self, form: "ModelForm[Membership]", commit: bool = True) -> Membership:
        member: Membership = super().save_new(form, commit and not self._waits(form, None))
        return member

    def save_existing(self, form: "ModelForm[Membership]", obj: Membership, commit: bool = True) -> Membership:
        before = Membership.objects.get(pk=obj.pk)
        member: Membership = super().save_existing(form, obj, commit and not self._waits(form, before))
        return member

    def _waits(self, form: "ModelForm[Membership]", before: Membership | None) -> bool:
        """Whether a second admin has to give it; where there is none, it is kept that one gave it alone."""
        member = form.instance
        if member.tier_id < second_admin.FROM_TIER or (before and not _widens(before, member)):
            return False
        request = second_admin.of_membership(member, by=self.by, replaces=before)
        if not second_admin.other_admins(self.by):
            self.alone.append(request)
            return False
        self.people_requests.append((member, request))
        return True

    def save(self, commit: bool = True) -> list[Membership]:
        """The rows, each change of which stands in the audit log as well; what takes a second admin waits."""
        self.people_requests: list[tuple[Membership, SecondAdminRequest]] = []
        self.alone: list[SecondAdminRequest] = []
        saved: list[Membership] = super().save(commit=commit)
        if commit:
            waiting = {id(member) for member, _request in self.people_requests}
            self.new_objects = [one for one in self.new_objects if id(one) not in waiting]
            self.changed_objects = [(one, fields) for one, fields in self.changed_objects if id(one) not in waiting]
            kind = SystemAuditEvent.Kind
            for member in self.new_objects:
                self._record(kind.MEMBERSHIP_ADDED, member)
            for member, fields in self.changed_objects:
                self._record(kind.MEMBERSHIP_CHANGED, member, changed=list(fields))
            for member in self.deleted_objects:
                self._record(kind.MEMBERSHIP_REMOVED, member)
            for _member, request in self.people_requests:
                second_admin.ask(request)
            for request in self.alone:
                second_admin.record_given_alone(request)
        return saved

    def _record(self, kind: SystemAuditEvent.Kind, member: Membership, **detail: Json) -> None:
        audit.record(
            kind,
            by=audit.actor_of(self.by),
            subject=f"user:{member.user.username}",
            detail={"tier": member.tier_id, "domain": member.domain_id, **detail},
        )


def _widens(before: Membership, after: Membership) -> bool:
    """Whether somebody may decide more than before."""
    if before.user_id != after.user_id or after.tier_id > before.tier_id:
        return True
    return before.domain_id is not None and before.domain_id != after.domain_id


def say_waiting(request: HttpRequest, formset: Any) -> None:
    """What of the memberships that were just saved is not in force yet."""
    for _member, people_request in getattr(formset, "people_requests", ()):
        message = _("%(what)s waits for a second admin, under “Second admin”.")
        messages.warning(request, message % {"what": people_request})


class MembershipForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    duty_days = Days(label=_("On"), help_text=_("On which duty begins. None: on every day."))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        use_minute_inputs(self, "duty_from", "duty_until")

    def clean(self) -> dict[str, Any] | None:
        """Duty has two ends, and some time between them."""
        cleaned = super().clean() or {}
        begins, ends = cleaned.get("duty_from"), cleaned.get("duty_until")
        if {"duty_from", "duty_until"} <= cleaned.keys():
            missing = "duty_from" if begins is None else "duty_until"
            if (begins is None) != (ends is None):
                self.add_error(missing, _("Duty has a beginning and an end: say both, or leave both empty."))
            elif begins is not None and begins == ends:
                self.add_error("duty_until", _("That is no time at all. For the whole day leave both empty."))
        return cleaned


class MembershipInline(NarrowInline):
    """Under a person and under a tier: the same rows, the same refusal."""

    model = Membership
    form = MembershipForm
    formset = MembershipFormSet
    extra = 0
    autocomplete_fields = ("user",)
    readonly_fields = ("reachability",)
    verbose_name_plural = _("memberships: tier and domain in which a person decides")

    def get_formset(self, request: HttpRequest, obj: models.Model | None = None, **kwargs: Any) -> type[Any]:
        made = super().get_formset(request, obj, **kwargs)
        return type(made.__name__, (made,), {"by": request.user})

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[Any]:
        # Beside the person, not behind the last column.
        first, *rest = (name for name in super().get_fields(request, obj) if name != "reachability")
        return [first, "reachability", *rest]

    @display(description=_("notifications"))
    def reachability(self, member: Membership) -> str:
        """Whether anything reaches the person; empty for a row that has none yet."""
        if not member.user_id:
            return ""
        state, explanation = reachability(member.user)
        return (
            explanation
            if state == "yes"
            else format_html('<b class="text-red-700 dark:text-red-400">{}</b>', explanation)
        )


class AbsenceForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """`by` is who edits: neither the one who is away nor, before or after, the one who stands in."""

    by: User

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        user, delegate = cleaned.get("user"), cleaned.get("delegate")
        stored = Absence.objects.filter(pk=self.instance.pk).first()
        concerned = {getattr(user, "pk", None), getattr(delegate, "pk", None)}
        concerned |= {stored.user_id, stored.delegate_id} if stored else set()
        if self.by.pk in concerned and self.has_changed():
            raise ValidationError(OWN_ABSENCE, code="own_absence")
        starts, ends = cleaned.get("starts_at"), cleaned.get("ends_at")
        if starts and ends and ends <= starts:
            self.add_error("ends_at", _("An absence ends after it starts: choose a later end."))
        if user and delegate and user == delegate:
            self.add_error("delegate", _("Somebody else stands in: choose another person, or leave it empty."))
        elif delegate and not delegate.is_active:
            self.add_error("delegate", _("Somebody who has left cannot stand in; choose an active person."))
        return cleaned


class AbsenceFormSet(PaginationInlineFormSet):
    """Absences of a person; nobody drops one by which they stand in, or their own."""

    by: User

    def clean(self) -> None:
        super().clean()
        for form in self.forms:
            stored: Absence = form.instance
            if self._should_delete_form(form) and self.by.pk in {stored.user_id, stored.delegate_id}:
                raise ValidationError(OWN_ABSENCE, code="own_absence")


class AbsenceInline(NarrowInline):
    model = Absence
    form = AbsenceForm
    formset = AbsenceFormSet
    fk_name = "user"
    extra = 0
    autocomplete_fields = ("delegate",)

    def get_formset(self, request: HttpRequest, obj: models.Model | None = None, **kwargs: Any) -> type[Any]:
        made = super().get_formset(request, obj, **kwargs)
        form = type(made.form.__name__, (made.form,), {"by": request.user})
        return type(made.__name__, (made,), {"by": request.user, "form": form})


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


@admin.register(Absence)
class AbsenceAdmin(ValidatedAsWhole):
    list_display = ("user", "starts_at", "ends_at", "delegate")
    list_filter = ("user",)
    autocomplete_fields = ("user", "delegate")

    form = AbsenceForm

    def get_form(
        self, request: HttpRequest, obj: models.Model | None = None, change: bool = False, **kwargs: Any
    ) -> "type[ModelForm[models.Model]]":
        form = super().get_form(request, obj, change=change, **kwargs)
        return type(form.__name__, (form,), {"by": signed_in(request)})

    def has_delete_permission(self, request: HttpRequest, obj: Absence | None = None) -> bool:
        # Dropping one's own would be coming back by another door, and lengthens or shortens what somebody lent.
        if obj is not None and request.user.pk in {obj.user_id, obj.delegate_id}:
            return False
        return bool(super().has_delete_permission(request, obj))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Absence]) -> None:
        """One by one, so that open pages hear of each."""
        me = signed_in(request).pk
        for absence in queryset.exclude(user=me).exclude(delegate=me):
            absence.delete()

    def save_model(self, request: HttpRequest, obj: models.Model, form: "ModelForm[Any]", change: bool) -> None:
        super().save_model(request, obj, form, change)
        warn_uncovered(request, obj)


def warn_uncovered(request: HttpRequest, absence: models.Model) -> None:
    """People get ill whether or not somebody is left: an absence is never refused for it, and it is said."""
    if isinstance(absence, Absence):
        for queue in absences.uncovered(absence):
            message = _("While %(who)s is away nobody is left in %(queue)s: what comes there escalates, or waits.")
            messages.warning(request, message % {"who": absence.user.name, "queue": queue})


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
