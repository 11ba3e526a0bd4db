"""No address and no admin action is left out of the tables: one that stands in no row fails here."""

from django.contrib import admin
from django.test import Client
from django.urls import reverse

from tests.access.agent_keys import AGENTS, OF_A_REQUEST
from tests.access.pages import OPEN, OWN, PAGES, SWITCH
from tests.access.tokens import TOKENS
from tests.addresses import addresses
from tests.conftest import PASSWORD


def test_every_address_stands_in_a_row():
    listed = PAGES.keys() | TOKENS.keys() | AGENTS.keys() | OF_A_REQUEST.keys() | OWN | OPEN | SWITCH

    assert {name for name, _ in addresses()} == listed


def test_every_admin_action_is_known():
    admin_actions = {
        f"{model._meta.model_name}.{name}"
        for model, page in admin.site._registry.items()
        for group in ("actions", "actions_detail", "actions_list")
        for name in getattr(page, group, None) or ()
    }

    assert admin_actions == {
        "agent.pause",
        "agent.resume",
        "agent.issue_key",
        "agent.callback_secret",
        "apikey.revoke",
        "apikey.revoke_this",
        "signingkey.rotate",
        "endpoint.test",
        "endpoint.rotate",
        "endpoint.replay_dead",
        "delivery.replay",
        "delivery.replay_this",
        "channel.test",
        "user.invite",
        "secondadminrequest.give",
        "secondadminrequest.refuse",
    }


def test_people_sign_in_with_a_password_and_those_who_left_do_not(alice, oscar):
    for username, status in (("alice", 302), ("oscar", 200)):
        response = Client().post(reverse("account_login"), {"login": username, "password": PASSWORD})
        assert (response.status_code == 302 and response["Location"] == "/") == (status == 302), username
