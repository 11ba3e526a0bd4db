"""People's tokens have the same authority over REST as on the page."""

import pytest
from django.test import Client

from agents import keys
from approvals.decisions.card_version import load
from tests.access.tokens import TOKENS


@pytest.mark.parametrize("name", TOKENS)
def test_a_token_does_what_the_table_says_for_every_role(name, everybody, propose):
    operation = TOKENS[name]
    wrong = []
    for role, user in everybody.items():
        approval = propose(amount=6000)
        token = f"Bearer {keys.issue(user=user, name='test')[1]}" if user else ""
        response = operation.call(Client(headers={"Authorization": token}), approval)
        happened = operation.done(load(approval.pk), user) if operation.done else response.status_code == 200
        if happened != (role in operation.who.split()) or (not user and response.status_code != 401):
            wrong.append(f"{role}: {response.status_code}, {'done' if happened else 'not done'}")

    assert not wrong
