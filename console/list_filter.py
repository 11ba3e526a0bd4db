"""Filters that live in the URL of a list. What is not valid is not applied."""

from collections.abc import Sequence
from datetime import datetime

from django import forms
from django.utils.translation import gettext_lazy as _

from approvals.db import times
from approvals.models import Agent
from console import query
from console.query import Query, QueryFilter


class ListFilter(forms.Form):
    """The filters of one list, in the order in which they are drawn: a search, and lists to choose from."""

    q = forms.CharField(required=False, max_length=200, label=_("Search"))

    def __init__(self, data: object) -> None:
        super().__init__(data)  # type: ignore[arg-type]  # a QueryDict, typed too narrowly by the stubs
        agents = Agent.objects.order_by("name").values_list("name", flat=True)[:200]
        self.choose("agent", [("", _("All agents")), *((name, name) for name in agents)])

    def choose(self, name: str, choices: Sequence[tuple[str, object]]) -> None:
        """What a list offers."""
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = choices

    takes_terms = False  # whether the search has a query language

    @property
    def query_filters(self) -> Sequence[QueryFilter]:
        """What the search takes beside words; nothing where a list has no query language."""
        return ()

    def query(self, now: datetime) -> Query:
        """What is typed in the search, read."""
        text = self.active.get("q", "")
        return query.read(text, self.query_filters if ":" in text else (), now)

    @property
    def faults(self) -> Sequence[str]:
        """What is wrong with the query, for the person who types it."""
        return self.query(times.now()).faults if self.takes_terms else ()

    @property
    def offers(self) -> list[dict[str, object]]:
        """What the search box offers while one types: each filter with its meaning and values."""
        return [
            {"name": each.name, "meaning": str(each.meaning), "values": [*each.offers]} for each in self.query_filters
        ]

    @property
    def active(self) -> dict[str, str]:
        """The filters that are set and valid."""
        self.is_valid()
        return {name: value for name in self.fields if (value := self.cleaned_data.get(name))}

    @property
    def active_count(self) -> int:
        """How many of the lists are set."""
        return len(self.active.keys() - {"q"})

    @property
    def selects(self) -> list[dict[str, object]]:
        """The filters that are drawn as lists, with what is chosen."""
        active = self.active
        return [
            {"name": name, "label": field.label, "value": active.get(name, ""), "choices": field.choices}
            for name, field in self.fields.items()
            if isinstance(field, forms.ChoiceField)
        ]
