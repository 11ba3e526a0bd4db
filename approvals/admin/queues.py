"""Inline forms under a tier: its terms by domain, and the capacity of its queues."""

from typing import Any

from django.core.exceptions import ValidationError
from django.forms import ModelForm
from django.utils.translation import gettext_lazy as _
from unfold.admin import StackedInline
from unfold.forms import PaginationInlineFormSet
from unfold.widgets import UnfoldAdminSelectWidget

from approvals.admin.base import NarrowInline, without_buttons
from approvals.admin.fields import AdminDefaults, Zone, column_texts
from approvals.admin.forms import TermsForm, complain
from approvals.models import Capacity, DomainTerms
from approvals.policy.authoring import validation
from approvals.policy.authoring.fields import TERMS


class QueueFormSet(PaginationInlineFormSet):
    """One row for each queue; the database refuses two, and says it to nobody."""

    def clean(self) -> None:
        seen = set()
        for form in self.forms:
            if not form.is_valid() or not form.cleaned_data or self._should_delete_form(form):
                continue
            domain = form.cleaned_data.get("domain")
            if domain in seen:
                raise ValidationError(validation.TWICE, code="twice")
            seen.add(domain)
        super().clean()


class DomainTermsForm(TermsForm):
    # Plain, since a row that is added on the page gets no box to search in.
    time_zone = Zone(**column_texts(DomainTerms, "time_zone"), widget=UnfoldAdminSelectWidget)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        complain(self, validation.of_terms(cleaned))
        return cleaned


class DomainTermsInline(AdminDefaults, StackedInline):
    model = DomainTerms
    form = DomainTermsForm
    formset = QueueFormSet
    extra = 0
    verbose_name = _("domain with terms of its own")
    verbose_name_plural = _("terms by domain; a domain without any has those above")
    fieldsets = ((None, {"fields": [column for section in TERMS.layout().values() for column in section]}),)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        return without_buttons(super().formfield_for_dbfield(db_field, request, **kwargs))


class CapacityForm(ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        complain(self, validation.of_capacity(cleaned))
        return cleaned


class CapacityInline(NarrowInline):
    model = Capacity
    form = CapacityForm
    formset = QueueFormSet
    extra = 0
    verbose_name_plural = _("how much may wait, by domain; without a row any number")
