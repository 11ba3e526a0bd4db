"""Controls that several forms share: days of the week as boxes, and time zones as a list to search."""

from collections.abc import Collection
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelect2Widget

from approvals.models.people import WEEK


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
            choices=zones, initial="UTC", widget=UnfoldAdminSelect2Widget, **{"label": _("Time zone"), **kwargs}
        )


def by_the_minute(form: forms.BaseForm, *names: str) -> None:
    """Times of the day as people write them: 08:00."""
    for name in names:
        if name in form.fields:
            form.fields[name].widget.format = "%H:%M"
