"""Notifications of the browser: of what, for whom, when not; and that they show nothing of what is proposed."""

from datetime import timedelta

import pytest

from approvals.db import times
from approvals.decisions import claims
from approvals.models import User
from approvals.people import authorities
from console.inbox import live
from console.inbox.desktop import Desktop


@pytest.fixture
def desktop_notifications(propose):
    """What a page of this person's would show of these approvals, or of a new one."""

    def of(user: User, *approvals, since=None) -> list[dict]:
        user = User.objects.get(pk=user.pk)
        desktop = Desktop(user, authorities.authority_of(user), since=since or times.now() - timedelta(minutes=1))
        rows = list(live._rows([one.pk for one in approvals or [propose()]], "en").values())
        return desktop.of(rows, now=times.now()) + desktop.of(rows, now=times.now())

    return of


@pytest.fixture(autouse=True)
def opted_in(alice, bob, olga, mallory):
    User.objects.update(desktop=True)


def test_it_says_type_tier_and_deadline_and_nothing_of_the_arguments(desktop_notifications, alice, propose):
    approval = propose(amount=4711, order="secret", summary="own words")
    [notification] = desktop_notifications(alice, approval)

    assert notification == {
        "id": str(approval.pk),
        "title": "Refund",
        "tier": "Frontline",
        "due": approval.due_at.isoformat(),
        "card": f"/approvals/{approval.pk}/",
    }


def test_only_whose_tier_it_is_hears_of_it(desktop_notifications, alice, bob, olga, mallory, mia, propose):
    approval = propose()
    User.objects.update(desktop=True)

    assert [who.username for who in (alice, bob, olga, mallory, mia) if desktop_notifications(who, approval)] == [
        "alice"
    ]


def test_an_escalation_is_news_for_the_next_tier(desktop_notifications, alice, bob, propose):
    approval = propose()
    claims.escalate(approval.pk, by=alice)

    assert desktop_notifications(bob, approval)
    assert not desktop_notifications(alice, approval)
    assert not desktop_notifications(bob, approval, since=times.now() + timedelta(seconds=1))


def test_what_was_there_before_what_is_read_and_what_is_settled_is_no_news(desktop_notifications, alice, bob, propose):
    approval = propose()
    assert not desktop_notifications(alice, approval, since=times.now() + timedelta(seconds=1))
    claims.claim(approval.pk, by=bob)
    assert not desktop_notifications(alice, approval)


@pytest.mark.parametrize("why", ["not wished", "not of this", "quiet hours"])
def test_whoever_wants_none_gets_none(why, desktop_notifications, alice):
    now = times.now()
    User.objects.filter(pk=alice.pk).update(
        **{
            "not wished": {"desktop": False},
            "not of this": {"notify_new": "none"},
            "quiet hours": {
                "quiet_from": (now - timedelta(hours=1)).time(),
                "quiet_until": (now + timedelta(hours=1)).time(),
            },
        }[why]
    )

    assert not desktop_notifications(alice)
