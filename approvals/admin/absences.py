"""When people are away, and who stands in."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.forms import PaginationInlineFormSet

from approvals.admin.base import NarrowInline, ValidatedAsWhole, signed_in
from approvals.models import Absence, User
from approvals.people import absences

OWN_ABSENCE = _(
    "Nobody stands in for others by their own word, and one's own absence is entered on the profile page; for more "
    "ask another admin."
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
