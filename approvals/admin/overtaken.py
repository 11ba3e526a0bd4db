"""Concurrent edits in the admin: the second save is refused, and shown what the first one wrote.

A form carries a mark of what it showed: the fields that it has, and the rows below it. It is compared under a lock of
the row, so that of two who save at once one is second.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.forms import ModelForm
from django.forms.models import _get_foreign_key  # how Django's inlines find their rows
from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from approvals.values import durations

NAME = "shown"  # the hidden field
_LONGEST = 120


def form_fingerprint(
    obj: models.Model | None, fields: Sequence[str], inlines: Sequence[tuple[type[models.Model], str | None]]
) -> str:
    """What a form of this object shows now, as one short text; empty for a new object.

    `inlines` pairs the rows below it with the field that leads to it, None where only one does.
    """
    if obj is None or obj.pk is None:
        return ""
    shown_values: list[object] = [_values(obj, fields)]
    for model, fk_name in inlines:
        key = _get_foreign_key(type(obj), model, fk_name=fk_name).name
        shown_values.append(list(model._default_manager.filter(**{key: obj.pk}).order_by("pk").values_list()))
    return hashlib.sha256(repr(shown_values).encode()).hexdigest()[:32]


def lock_row(obj: models.Model) -> None:
    """Until this transaction ends whoever else saves the object waits."""
    rows = type(obj)._default_manager.filter(pk=obj.pk).order_by()  # a model's own order may join what cannot be locked
    list(rows.select_for_update().values_list("pk"))


def conflict_sentences(obj: models.Model, form: "ModelForm[Any]") -> list[str]:
    """Who saved it meanwhile, and each field as it stands now beside what was written."""
    lines = [_saved_by(obj)]
    lines += [
        _("%(field)s is “%(now)s” now; you wrote “%(yours)s”.") % {"field": label, "now": now, "yours": yours}
        for label, now, yours in _differing(obj, form)
    ]
    lines.append(_("Saving once more puts what you wrote in place of it."))
    return lines


def _differing(obj: models.Model, form: "ModelForm[Any]") -> Iterator[tuple[str, str, str]]:
    stands = _values(obj, list(form.fields))
    for name, now in stands.items():
        if name not in form.cleaned_data:
            continue
        yours = form.cleaned_data[name]
        yours = getattr(yours, "pk", yours)
        if isinstance(yours, models.QuerySet):
            yours = sorted(str(row.pk) for row in yours)
        if yours != now and str(yours) != str(now):
            yield str(form.fields[name].label or name), _short(now), _short(yours)


def _saved_by(obj: models.Model) -> str:
    kind = ContentType.objects.get_for_model(obj)
    entry = LogEntry.objects.filter(content_type=kind, object_id=str(obj.pk)).select_related("user").first()
    if entry is None:
        return _("Somebody saved this since you opened it, so nothing of yours was saved.")
    facts = {"who": entry.user.name, "at": date_format(entry.action_time, "H:i:s")}
    return _("%(who)s saved this at %(at)s UTC, since you opened it, so nothing of yours was saved.") % facts


def _values(obj: models.Model, fields: Sequence[str]) -> dict[str, Any]:
    """The fields of the form as the database has them."""
    row = type(obj)._default_manager.get(pk=obj.pk)
    plain = {field.name: field.value_from_object(row) for field in obj._meta.concrete_fields if field.name in fields}
    many = {
        field.name: sorted(str(one.pk) for one in field.value_from_object(row))
        for field in obj._meta.many_to_many
        if field.name in fields
    }
    return plain | many


def _short(value: object) -> str:
    if isinstance(value, timedelta):
        return durations.written(value)
    return Truncator(_("nothing") if value in (None, "", [], {}) else str(value)).chars(_LONGEST)
