"""Base classes of the admin: a save is validated as a whole, and policy stays a draft until it is published."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import AdminForm
from django.contrib.admin.utils import flatten
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.db import models, transaction
from django.db.models import QuerySet
from django.forms import BaseFormSet, ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin, TabularInline

from approvals.admin import overtaken
from approvals.admin.fields import AdminDefaults
from approvals.db import times
from approvals.models import User
from approvals.policy import snapshot
from approvals.policy.authoring import validation, versions
from approvals.policy.authoring.coverage import Gap, gaps, staffing_warnings
from approvals.policy.authoring.differences import location_of
from approvals.policy.authoring.documents import snapshot_of_tables


def signed_in(request: HttpRequest) -> User:
    """Who uses the admin: it lets nobody else in."""
    assert isinstance(request.user, User)  # noqa: S101
    return request.user


class SaveRefused(Exception):
    """What was saved, inlines included, does not stand together; nothing of it is kept."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__(" ".join(sentences))
        self.sentences = sentences


class ValidatedAsWhole(AdminDefaults, ModelAdmin):
    """Saves the whole form first and looks at the result, since a tier and its members only make sense together.

    What does not stand is rolled back and said above the form.
    """

    compressed_fields = True
    warn_unsaved_form = True
    list_filter_submit = False
    change_form_before_template = "admin/_shown.html"

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
        except SaveRefused as refused:
            request.refused = refused.sentences  # type: ignore[attr-defined]  # get_form() reads it
            return super().changeform_view(request, object_id, form_url, extra_context)  # type: ignore[no-any-return]

    def get_form(
        self, request: HttpRequest, obj: models.Model | None = None, change: bool = False, **kwargs: Any
    ) -> "type[ModelForm[models.Model]]":
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        refused = getattr(request, "refused", ())
        inlines = [(inline.model, inline.fk_name) for inline in self.get_inline_instances(request, obj)]

        class Form(form):
            def clean(self) -> dict[str, Any] | None:
                cleaned = super().clean()
                for sentence in refused or self.overtaken():
                    self.add_error(None, sentence)
                return cleaned  # type: ignore[no-any-return]

            def overtaken(self) -> list[str]:
                shown = request.POST.get(overtaken.NAME)
                if obj is None or not shown:
                    return []
                overtaken.lock_row(obj)
                if overtaken.form_fingerprint(obj, list(self.fields), inlines) == shown:
                    return []
                request.overtaken = True  # type: ignore[attr-defined]  # render_change_form() reads it
                return overtaken.conflict_sentences(obj, self)

        return Form

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: models.Model | None = None, **kwargs: Any
    ) -> Any:
        # What was posted once stays what was looked at, until both were shown.
        shown = "" if hasattr(request, "overtaken") else request.POST.get(overtaken.NAME, "")
        if not shown:
            inlines = [(inline.model, inline.fk_name) for inline in self.get_inline_instances(request, obj)]
            shown = overtaken.form_fingerprint(obj, list(context["adminform"].form.fields), inlines)
        stand_open(context["adminform"])
        return super().render_change_form(request, {**context, "shown": shown}, *args, obj=obj, **kwargs)

    def save_model(self, request: HttpRequest, obj: models.Model, form: "ModelForm[Any]", change: bool) -> None:
        request.gaps = gaps()  # type: ignore[attr-defined]  # save_related() compares
        request.doubts = staffing_warnings(times.now())  # type: ignore[attr-defined]  # as above
        super().save_model(request, obj, form, change)

    def save_related(
        self, request: HttpRequest, form: "ModelForm[Any]", formsets: "list[BaseFormSet[Any]]", change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        after = gaps()
        if sentences := list(self.judge(form.instance, request.gaps, after)):  # type: ignore[attr-defined]
            raise SaveRefused(sentences)
        # It may stand, and be meant; but nobody should find out in the night.
        for doubt in sorted(map(str, staffing_warnings(times.now()) - request.doubts)):  # type: ignore[attr-defined]
            messages.warning(request, doubt)


def stand_open(page: AdminForm) -> None:
    """Open each folded section that holds an error, or another value than a new form has."""
    form = page.form
    fields = {field.name: field for field in form._meta.model._meta.concrete_fields}

    def speaks(name: str) -> bool:
        if name in form.errors:
            return True
        if (field := fields.get(name)) is None:
            return False
        return bool(field.to_python(getattr(form.instance, field.attname)) != field.to_python(field.get_default()))

    def unfolded(options: dict[str, Any]) -> dict[str, Any]:
        classes = [name for name in options.get("classes", ()) if name != "collapse"]
        return {**options, "classes": classes} if any(map(speaks, flatten(options["fields"]))) else options

    page.fieldsets = [(title, unfolded(options)) for title, options in page.fieldsets]


class PolicyAdmin(ValidatedAsWhole):
    """A page of policy: what is saved is a draft, in force when it is published. It stands only as a whole."""

    list_before_template = "admin/policy/_bar.html"
    change_form_outer_before_template = "admin/policy/_bar.html"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        return super().changelist_view(request, policy_bar(request, extra_context))  # type: ignore[no-any-return]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        return super().render_change_form(request, policy_bar(request, context), *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: models.Model, form: "ModelForm[Any]", change: bool) -> None:
        snapshot.lock_policy_tables()  # what is published meanwhile is the draft with this save, or without it
        request.faults = frozenset(validation.faults(snapshot_of_tables()))  # type: ignore[attr-defined]  # to compare
        super().save_model(request, obj, form, change)

    def save_related(
        self, request: HttpRequest, form: "ModelForm[Any]", formsets: "list[BaseFormSet[Any]]", change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        draft_snapshot = snapshot_of_tables()
        if new := [fault for fault in validation.faults(draft_snapshot) if fault not in request.faults]:  # type: ignore[attr-defined]
            raise SaveRefused([f"{location_of(fault, draft_snapshot)}: {fault.message}" for fault in new])
        self.say(request)

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        with transaction.atomic():
            snapshot.lock_policy_tables()
            super().delete_model(request, obj)
        self.say(request)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        with transaction.atomic():
            snapshot.lock_policy_tables()
            super().delete_queryset(request, queryset)
        self.say(request)

    def say(self, request: HttpRequest) -> None:
        """What is saved is not in force yet; silent where nothing of it differs."""
        if versions.draft().differs:
            messages.info(request, _("Saved as a draft. It is in force when it is published."))


def policy_bar(request: HttpRequest, context: dict[str, Any] | None) -> dict[str, Any]:
    """The context with what the bar above the pages of policy shows: the draft, who asks to publish it, who may."""
    return {
        **(context or {}),
        "draft": versions.draft(),
        "asked": versions.open_publish_request(),
        "publishes": may_publish(request),
    }


def may_publish(request: HttpRequest) -> bool:
    """Whether this person puts policy in force: who may add a version does."""
    return bool(request.user.is_active and request.user.has_perm("approvals.add_policyversion"))


class NarrowInline(AdminDefaults, TabularInline):
    """Rows under a form. What they name has pages of its own; the buttons to there would push the rest out of sight."""

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return without_buttons(super().formfield_for_dbfield(db_field, request, **kwargs))


def without_buttons(field: Any) -> Any:
    """A form's field without the buttons to the pages of what it names."""
    if isinstance(getattr(field, "widget", None), RelatedFieldWidgetWrapper):
        for button in ("can_add_related", "can_change_related", "can_view_related"):
            setattr(field.widget, button, False)
    return field


class NeverDeleted(AdminDefaults, ModelAdmin):
    """Nothing of this kind is deleted: history points at it. It is switched off instead."""

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class ReadOnlyAdmin(AdminDefaults, ModelAdmin):
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
