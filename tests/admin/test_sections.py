"""The action type's form: what is rare is folded, unless it says something; and no page shows a value as code does."""

import re

import pytest
from django.contrib import admin as site
from django.urls import reverse

from approvals.models import ActionType, Channel

TYPE = "/admin/approvals/actiontype/refund/change/"
RARE = ["Checkpoints", "What is unusual", "Before review, audit, shadow", "Evidence"]


@pytest.fixture
def desk(as_, admin, refunds, alice, bob, carol):
    return as_(admin)


def folded(answer) -> list[str]:
    return [str(section.name) for section in answer.context["adminform"] if section.is_collapsible]


def test_what_is_rare_is_folded(desk):
    assert folded(desk.get(TYPE)) == RARE
    assert folded(desk.get("/admin/approvals/actiontype/add/")) == RARE


def test_a_section_with_another_value_than_the_default_stands_open(desk):
    ActionType.objects.filter(pk="refund").update(most_attempts=3)
    assert folded(desk.get(TYPE)) == [RARE[0], *RARE[2:]]
    assert folded(desk.get("/admin/approvals/actiontype/add/")) == RARE


def test_a_section_with_an_error_stands_open(desk, save):
    assert folded(save(desk, TYPE, every_time="soon")) == RARE[1:]


def test_no_page_shows_a_value_as_code_does(as_, root, desk, refund, robot):
    Channel.objects.create(tier_id=1, service="json", name="Desk", kept=b"x")
    code = re.compile(r"Channel\.State|\(&#x27;|&lt;[A-Z]\w+[ :]|datetime\.|argon2|pbkdf2")
    client = as_(root)
    walked = 0
    for model in site.site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        pages = [reverse(f"{name}_changelist")]
        if (row := model._default_manager.first()) is not None:
            pages.append(reverse(f"{name}_change", args=[row.pk]))
        for page in pages:
            answer = client.get(page)
            assert answer.status_code == 200, page
            assert not code.findall(answer.content.decode()), page
            walked += 1
    assert walked > 20
