"""An agent's key reaches its own requests alone, and decides nothing."""

import pytest
from django.test import Client

from agents import keys
from approvals.decisions.card_version import load
from approvals.models import Agent
from tests.access.agent_keys import AGENTS, OF_A_REQUEST, client_of
from tests.access.operations import DENIED
from tests.access.tokens import TOKENS


@pytest.mark.parametrize("name", [*AGENTS, *OF_A_REQUEST])
def test_an_agents_key_reaches_its_own_requests_alone(name, refund, robot, bob):
    own = keys.issue(agent=robot, name="own")[1]
    other = keys.issue(agent=Agent.objects.create(name="stranger"), name="other")[1]
    revoked_key, revoked = keys.issue(agent=robot, name="revoked")
    keys.revoke(revoked_key)
    person = keys.issue(user=bob, name="person")[1]
    call = {**AGENTS, **OF_A_REQUEST}[name]

    assert call(client_of(revoked), refund).status_code == 401
    assert call(client_of("asn_nonsense"), refund).status_code == 401
    assert call(Client(), refund).status_code == 401
    if name not in ("api:action_types", "api:action_type"):  # which people's tools may read, too
        assert call(client_of(person), refund).status_code == 403
    if name in OF_A_REQUEST:
        assert call(client_of(other), refund).status_code == 404
    assert call(client_of(own), refund).status_code not in DENIED


@pytest.mark.parametrize("name", TOKENS)
def test_an_agents_key_decides_nothing(name, refund, robot):
    own = keys.issue(agent=robot, name="own")[1]

    assert TOKENS[name].call(client_of(own), refund).status_code == 403
    assert load(refund.pk).status == "pending"
