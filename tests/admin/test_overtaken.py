"""Two admins save the same thing: the second is refused, and sees both."""

from functools import partial

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from approvals.models import ActionType, Membership, Threshold, Tier
from approvals.people import roles
from tests.admin.conftest import Form
from tests.concurrency import together

URL = "/admin/approvals/actiontype/refund/change/"


@pytest.fixture
def desks(as_, admin, root, refunds, alice, bob, carol):
    """Ada and the superuser, each with the form before them: send(client, title="…")."""
    return as_(admin), as_(root)


def open_form(client: Client, url=URL):
    page = client.get(url)
    assert page.status_code == 200
    return {name: values for name, values in Form(page.content.decode()).data.items() if "__prefix__" not in name}


def send(client: Client, data, url=URL, **changes):
    data = {**data, **{name: [str(value)] for name, value in changes.items()}}
    return client.post(url, {name: values for name, values in data.items() if values})


def test_the_second_save_is_refused_and_shows_both(desks, refused):
    ada, root = desks
    of_ada, of_root = open_form(ada), open_form(root)
    assert send(ada, of_ada, title="Money back", expires_after="02:00:00").status_code == 302
    answer = send(root, of_root, title="Repayment", expires_after="3 h")
    refusal = refused(answer)
    assert refusal.startswith("Ada saved this at ") and "nothing of yours was saved" in refusal
    assert "Title is “Money back” now; you wrote “Repayment”." in refusal
    assert "Deadline after is “2 h” now; you wrote “3 h”." in refusal
    assert ActionType.objects.get().title == "Money back"
    # Shown both, whoever saves again means it; what the other changed is what they see, or put back knowingly.
    again = {**Form(answer.content.decode()).data}
    assert again["title"] == ["Repayment"]
    assert send(root, again).status_code == 302
    assert ActionType.objects.get().title == "Repayment"


def test_a_refusal_for_another_reason_forgets_nothing(desks, refused):
    ada, root = desks
    of_ada, of_root = open_form(ada), open_form(root)
    answer = send(root, of_root, title="")
    assert answer.status_code == 200
    send(ada, of_ada, title="Money back")
    again = Form(answer.content.decode()).data
    assert "Money back" in refused(send(root, again, title="Repayment"))


def test_rows_below_the_form_count_too(desks, refused, bob):
    _ada, root = desks
    of_root = open_form(root)
    Threshold.objects.create(action_type_id="refund", impact="high", auto="0.950", review="0.700")
    assert "since you opened it" in refused(send(root, of_root, title="Repayment"))
    url = "/admin/approvals/tier/2/change/"
    tier = open_form(root, url)
    Membership.objects.create(tier_id=2, user=bob, domain=None)
    assert "since you opened it" in refused(send(root, tier, url, name="Experts"))
    assert Tier.objects.get(pk=2).name == "Specialists"


def test_who_saves_twice_alone_is_not_in_their_own_way(desks):
    ada, _root = desks
    assert send(ada, open_form(ada), title="Money back").status_code == 302
    assert send(ada, open_form(ada), title="Repayment").status_code == 302


@pytest.mark.django_db(transaction=True)
def test_of_two_at_the_same_moment_exactly_one_is_saved(refunds, alice, bob, carol, ada, root, as_):
    ada.groups.add(Group.objects.get(name=roles.ADMINS))
    clients = [as_(ada), as_(root)]
    forms = [open_form(client) for client in clients]
    ours, theirs = (partial(send, client, form) for client, form in zip(clients, forms, strict=True))
    answers = together(partial(ours, title="Money back"), partial(theirs, title="Repayment"))
    assert sorted(answer.status_code for answer in answers) == [200, 302]
