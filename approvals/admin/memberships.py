"""Who is in which tier, edited under a person and under a tier."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import models
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.forms import PaginationInlineFormSet

from approvals.admin.base import NarrowInline
from approvals.admin.channels import reachability
from approvals.admin.fields import Days, use_minute_inputs
from approvals.history import audit
from approvals.models import Membership, SecondAdminRequest, SystemAuditEvent, User
from approvals.people import second_admin
from approvals.values.schema import Json

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
