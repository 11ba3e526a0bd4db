"""Controls that several forms share: durations, days of the week as boxes, and time zones as a list to search."""

from collections.abc import Callable, Collection, Sequence
from datetime import timedelta
from functools import wraps
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.http import HttpRequest
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.html import conditional_escape
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelect2Widget,
    UnfoldAdminTextInputWidget,
)

from approvals.models import Domain
from approvals.models.people import WEEK
from approvals.values import durations


class Duration(forms.DurationField):
    """A duration as people write it: 15 min, 1 h 30 min, 2 days."""

    def prepare_value(self, value: Any) -> Any:
        return durations.written(value) if isinstance(value, timedelta) else value

    def to_python(self, value: Any) -> timedelta | None:
        if value in self.empty_values:
            return None
        if isinstance(value, timedelta):
            return value
        try:
            return durations.read(str(value))
        except durations.NoDuration as error:
            raise ValidationError(str(error), code="invalid") from None


class StateLabel(tuple[str, str]):
    """A state and its words. A list colours it by the state; everywhere else only the words stand."""

    def __html__(self) -> str:
        return conditional_escape(self[1])


def _marked(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def shown(*args: Any) -> Any:
        value = method(*args)
        return StateLabel(value) if isinstance(value, tuple) else value

    return shown


class DomainField(forms.ModelChoiceField):  # type: ignore[type-arg]  # generic in the stubs only
    """Offers the active domains, and the retired one that already stands there."""

    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> forms.BoundField:
        stands = form.get_initial_for_field(self, field_name)
        self.queryset = Domain.objects.filter(Q(active=True) | Q(pk=stands))
        return super().get_bound_field(form, field_name)


class AdminDefaults:
    """What every page and inline of the admin shares: durations in words, states in words, domains in use."""

    formfield_overrides: Any = {
        models.DurationField: {"form_class": Duration, "widget": UnfoldAdminTextInputWidget},
    }

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Unfold understands the pair of a labelled column in a list only; on a form it printed the pair.
        super().__init_subclass__(**kwargs)
        for name, method in list(vars(cls).items()):
            if callable(method) and isinstance(getattr(method, "label", None), dict):
                setattr(cls, name, _marked(method))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.related_model is Domain:
            kwargs["form_class"] = DomainField
        return super().formfield_for_foreignkey(db_field, request, **kwargs)  # type: ignore[misc]  # as below

    def get_list_display(self, request: HttpRequest) -> Sequence[Any]:
        columns = super().get_list_display(request)  # type: ignore[misc]  # of the page that this is mixed into
        fields = {field.name: field for field in self.model._meta.concrete_fields}  # type: ignore[attr-defined]  # as above
        return [
            _column(fields[name]) if isinstance(fields.get(name), models.DurationField) else name for name in columns
        ]


def _column(field: "models.Field[Any, Any]") -> Callable[[models.Model], str]:
    """A column of a list that shows this duration in words."""

    @display(description=field.verbose_name, ordering=field.name)
    def shown(row: models.Model) -> str:
        duration = getattr(row, field.name)
        return "" if duration is None else durations.written(duration)

    column: Callable[[models.Model], str] = shown
    column.__name__ = field.name  # the column's class in the page
    return column


class DayBoxes(UnfoldAdminCheckboxSelectMultipleWidget):
    """Boxes beside one another."""

    class Media:
        css = {"all": ["css/days.css"]}


class Days(forms.TypedMultipleChoiceField):
    """Days of the week, Monday is 1, as boxes to tick."""

    def __init__(self, **kwargs: Any) -> None:
        choices = [(day, WEEKDAYS_ABBR[day - 1]) for day in WEEK]
        super().__init__(coerce=int, choices=choices, required=False, widget=DayBoxes, **kwargs)

    def has_changed(self, initial: Collection[Any] | None, data: Collection[Any] | None) -> bool:
        return {str(day) for day in initial or ()} != {str(day) for day in data or ()}


class Zone(forms.ChoiceField):
    """A time zone by its name."""

    def __init__(self, **kwargs: Any) -> None:
        zones = [(zone, zone.replace("_", " ")) for zone in sorted(available_timezones())]
        super().__init__(
            choices=zones,
            initial="UTC",
            error_messages={
                "invalid_choice": _("There is no time zone “%(value)s”; choose one of the list, such as Europe/Vienna.")
            },
            **{"label": _("Time zone"), "widget": UnfoldAdminSelect2Widget, **kwargs},
        )


def column_texts(model: type[models.Model], name: str) -> dict[str, Any]:
    """Label and help of a control that stands in for a column's own: what the column says."""
    column = next(field for field in model._meta.concrete_fields if field.name == name)
    return {"label": capfirst(column.verbose_name), "help_text": column.help_text}


def use_minute_inputs(form: forms.BaseForm, *names: str) -> None:
    """Times of the day as people write them: 08:00."""
    for name in names:
        if name in form.fields:
            form.fields[name].widget.format = "%H:%M"
