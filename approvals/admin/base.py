"""How every page of the admin saves: the whole is judged before it stands, and policy is published once."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import messages
from django.db import models, transaction
from django.db.models import QuerySet
from django.forms import BaseFormSet, ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin

from approvals.admin.staffing import Gap, gaps
from approvals.models import PolicyVersion, User
from approvals.policy import snapshot


def signed_in(request: HttpRequest) -> User:
    """Who uses the admin: it lets nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101
    return request.user


class Refused(Exception):
    """What was saved, inlines included, does not stand together; nothing of it is kept."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = sentences


class Judged(ModelAdmin):
    """Saves the whole form first and looks at the result, since a tier and its members only make sense together.

    What does not stand is rolled back and said above the form.
    """

    compressed_fields = True
    warn_unsaved_form = True
    list_filter_submit = False

    def judge(self, obj: models.Model, before: frozenset[Gap], after: frozenset[Gap]) -> Iterable[str]:
        """Why this save must not stand. A gap that was there before is no reason: the mend may take several saves."""
        return sorted(str(gap) for gap in after - before)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)  # type: ignore[no-any-return]
        except Refused as refused:
            request.refused = refused.sentences  # type: ignore[attr-defined]  # get_form() reads it
            return super().changeform_view(request, object_id, form_url, extra_context)  # type: ignore[no-any-return]

    def get_form(
        self, request: HttpRequest, obj: models.Model | None = None, change: bool = False, **kwargs: Any
    ) -> "type[ModelForm[models.Model]]":
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        sentences = getattr(request, "refused", ())

        class Form(form):
            def clean(self) -> dict[str, Any] | None:
                cleaned = super().clean()
                for sentence in sentences:
                    self.add_error(None, sentence)
                return cleaned  # type: ignore[no-any-return]

        return Form

    def save_model(self, request: HttpRequest, obj: models.Model, form: "ModelForm[Any]", change: bool) -> None:
        request.gaps = gaps()  # type: ignore[attr-defined]  # save_related() compares
        super().save_model(request, obj, form, change)

    def save_related(
        self, request: HttpRequest, form: "ModelForm[Any]", formsets: "list[BaseFormSet[Any]]", change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        after = gaps()
        if sentences := list(self.judge(form.instance, request.gaps, after)):  # type: ignore[attr-defined]
            raise Refused(sentences)


class Publishing(Judged):
    """A page of policy: the whole save, inlines included, becomes one new version."""

    def save_related(
        self, request: HttpRequest, form: "ModelForm[Any]", formsets: "list[BaseFormSet[Any]]", change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        fields = list(form.changed_data) + [str(formset.prefix) for formset in formsets if formset.has_changed()]
        what = _("changed: %(fields)s") % {"fields": ", ".join(fields)} if change else _("added")
        self.publish(request, f"{self.opts.verbose_name} {form.instance}, {what}")

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        note = f"{self.opts.verbose_name} {obj}, " + _("deleted")
        super().delete_model(request, obj)
        self.publish(request, note)

    @transaction.atomic
    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        note = f"{self.opts.verbose_name_plural}: {', '.join(map(str, queryset))}, " + _("deleted")
        super().delete_queryset(request, queryset)
        self.publish(request, note)

    def publish(self, request: HttpRequest, note: str) -> None:
        """Put what the tables now say in force; says so when it differs from the version before."""
        newest = PolicyVersion.objects.values_list("number", flat=True).first()
        try:
            version = snapshot.publish(by=signed_in(request), note=note[:300])
        except snapshot.Unpublishable as bad:
            raise Refused([f"{fault.pointer}: {fault.message}" for fault in bad.faults]) from bad
        if version.number != newest:
            messages.success(
                request, _("Policy v%(number)d is in force; open approvals keep theirs.") % {"number": version.number}
            )


class Kept(ModelAdmin):
    """Nothing of this kind is deleted: history points at it. It is switched off instead."""

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class Record(ModelAdmin):
    """What happened. Nobody adds, changes or deletes it here, superusers included; they see the facts around an
    approval, never its arguments and texts."""

    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)
