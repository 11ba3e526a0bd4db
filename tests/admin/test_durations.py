"""Every duration of the admin is shown and typed in the same words."""

from datetime import timedelta

import pytest
from django.contrib import admin as site
from django.db import models
from django.urls import reverse

from approvals.admin.fields import Duration
from approvals.models import ActionType, Tier
from approvals.policy import snapshot
from approvals.policy.authoring import versions

TIER = "/admin/approvals/tier/1/change/"
TYPE = "/admin/approvals/actiontype/refund/change/"


@pytest.fixture
def desk(as_, admin, refunds, alice, bob, carol):
    snapshot.publish(by=None, note="as it is")
    return as_(admin)


def test_every_duration_of_every_form_is_typed_alike(rf, ada):
    ada.is_superuser = True
    request = rf.get("/")
    request.user = ada
    duration_fields = []
    for page in site.site._registry.values():
        for form in (page, *(inline(page.model, site.site) for inline in page.inlines)):
            for field in form.model._meta.concrete_fields:
                if isinstance(field, models.DurationField) and field.editable:
                    typed = form.formfield_for_dbfield(field, request)
                    duration_fields.append(str(field))
                    assert isinstance(typed, Duration), field
    assert {"approvals.Tier.sla", "approvals.ActionType.expires_after"} <= set(duration_fields)


def test_forms_and_lists_show_words(desk):
    Tier.objects.filter(pk=1).update(sla=timedelta(minutes=90))
    form = desk.get(TIER).content.decode()
    listed = desk.get(reverse("admin:approvals_tier_changelist")).content.decode()
    assert 'value="1 h 30 min"' in form
    assert "1 h 30 min" in listed
    assert "hours:minutes" not in form + desk.get(TYPE).content.decode()


@pytest.mark.parametrize(("typed", "stored"), [("45m", 45), ("1.5 h", 90), ("00:20:00", 20), ("2 hours 5 min", 125)])
def test_what_is_typed_is_saved(desk, save, typed, stored):
    assert save(desk, TIER, sla=typed).status_code == 302
    assert Tier.objects.get(pk=1).sla == timedelta(minutes=stored)


@pytest.mark.parametrize(
    ("typed", "mend"),
    [
        ("soon", "Write a number with its unit, such as 15 min, 1 h 30 min or 2 days."),
        ("15", "Write a number with its unit"),
        ("999999999 days", "Nothing here lasts longer than 3660 days."),
    ],
)
def test_what_is_none_is_refused_beside_the_field(desk, save, typed, mend):
    answer = save(desk, TYPE, expires_after=typed)
    assert mend in " ".join(answer.context["adminform"].form.errors["expires_after"])


def test_an_idle_save_changes_no_duration(desk, save):
    odd = timedelta(days=1, seconds=1, microseconds=500)
    ActionType.objects.filter(pk="refund").update(expires_after=odd)
    assert save(desk, TYPE).status_code == 302
    assert ActionType.objects.get(pk="refund").expires_after == odd
    assert [change.field for change in versions.draft().changes] == ["deadline after"]
