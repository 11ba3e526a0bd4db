"""Who configures agents sets up their webhooks, tries them, and sends again what was given up."""

import pytest

from agents.webhooks import signing
from approvals.db import times
from approvals.models import Delivery, Endpoint
from tests.delivery.conftest import verified

PLACE = "/admin/approvals/endpoint/"


@pytest.fixture
def admin(ada):
    from django.contrib.auth.models import Group

    from approvals.people import roles

    ada.groups.add(Group.objects.get(name=roles.ADMINS))
    return ada


@pytest.fixture
def desk(as_, admin):
    return as_(admin)


def test_a_secret_is_shown_once_and_kept_under_the_installations_own(desk, robot):
    page = desk.post(
        PLACE + "add/", {"agent": robot.pk, "url": "https://example.com/hook", "topics": ["question.asked"]}
    )
    secret = page.context["secret"]
    made = Endpoint.objects.get()

    assert secret in page.content.decode() and secret.startswith("whsec_")
    assert (made.url, made.topics, made.active) == ("https://example.com/hook", ["question.asked"], True)
    assert secret not in made.secret
    for url in (PLACE, f"{PLACE}{made.pk}/change/", f"{PLACE}{made.pk}/history/"):
        assert secret not in desk.get(url).content.decode()


@pytest.mark.parametrize(
    "url", ["http://example.com/", "https://127.0.0.1/", "https://169.254.169.254/", "https://example.com:22/", "x"]
)
def test_an_address_that_no_webhook_goes_to_cannot_be_saved(url, desk, robot):
    page = desk.post(PLACE + "add/", {"agent": robot.pk, "url": url})

    assert page.status_code == 200
    assert page.context["errors"]
    assert not Endpoint.objects.exists()


def test_a_named_host_of_a_development_machine_can(desk, robot, settings):
    settings.ASSENT_WEBHOOK_PRIVATE = ["receiver:8000"]
    desk.post(PLACE + "add/", {"agent": robot.pk, "url": "http://receiver:8000/"})

    assert Endpoint.objects.get().url == "http://receiver:8000/"


def test_a_replaced_secret_signs_beside_the_one_before(desk, endpoint):
    webhook = endpoint("https://example.com/")
    assert not desk.get(f"{PLACE}{webhook.pk}/rotate/").context["secret"]
    kept = Endpoint.objects.get().secret
    assert kept == webhook.secret, "looking changes nothing"
    page = desk.post(f"{PLACE}{webhook.pk}/rotate/")

    after = Endpoint.objects.get().secret
    assert page.context["secret"] != webhook.shown
    assert len(signing.signatures(after, id="1", body="{}", now=times.now()).split()) == 2
    assert "two sign" in desk.get(f"{PLACE}{webhook.pk}/change/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_the_test_button_sends_a_signed_event_and_says_what_came_back(desk, receiver, endpoint):
    webhook = endpoint(receiver.url)
    assert desk.get(f"{PLACE}{webhook.pk}/test/").status_code == 200
    assert receiver.received == []
    page = desk.post(f"{PLACE}{webhook.pk}/test/")

    assert verified(receiver.received[0], webhook.shown)["type"] == "webhook.test"
    assert page.context["tried"]["status"] == 200 and page.context["tried"]["ms"] < 5000
    receiver.status = 302
    assert "redirects are not followed" in desk.post(f"{PLACE}{webhook.pk}/test/").content.decode()
    assert not Delivery.objects.exists()


def test_the_test_button_does_not_reach_what_a_webhook_does_not(desk, endpoint):
    webhook = endpoint("https://localhost/")
    page = desk.post(f"{PLACE}{webhook.pk}/test/").content.decode()

    assert "is not an address of the internet" in page


def test_the_given_up_are_counted_listed_and_sent_again(desk, endpoint, queue):
    webhook, other = endpoint("https://example.com/"), endpoint("https://other.example.com/")
    queue(webhook, 3, status="dead", attempts=10, last_error="no answer within 15 s")
    queue(other, 2)
    queue(webhook, 1, status="done")
    listed = desk.get(
        f"/admin/approvals/delivery/?endpoint__id__exact={webhook.pk}&status__exact=dead"
    ).content.decode()
    assert listed.count("no answer within 15 s") == 3
    assert f"endpoint__id__exact={webhook.pk}&amp;status__exact=dead" in desk.get(PLACE).content.decode()
    assert desk.get(f"{PLACE}{webhook.pk}/replay_dead/").status_code == 200
    assert Delivery.objects.filter(status="dead").count() == 3

    desk.post(f"{PLACE}{webhook.pk}/replay_dead/")
    assert Delivery.objects.filter(endpoint=webhook, status="due", attempts=0).count() == 3
    assert Delivery.objects.filter(endpoint=webhook, status="done").count() == 1


def test_single_ones_are_sent_again(desk, endpoint, queue):
    first, second, third = queue(endpoint("https://example.com/"), 3, status="dead")
    changelist = "/admin/approvals/delivery/"
    desk.post(changelist, {"action": "replay", "_selected_action": [str(first.pk)]})
    assert desk.get(f"{changelist}{second.pk}/replay_this/").status_code == 200
    assert Delivery.objects.get(pk=second.pk).status == "dead"
    desk.post(f"{changelist}{second.pk}/replay_this/")

    assert [Delivery.objects.get(pk=one.pk).status for one in (first, second, third)] == ["due", "due", "dead"]
    assert desk.get(f"{changelist}{third.pk}/change/").status_code == 200


def test_turned_on_again_an_endpoint_starts_afresh(desk, endpoint):
    webhook = endpoint("https://example.com/", active=False, ended="410 Gone", failures=9, rests_until=times.now())
    desk.post(f"{PLACE}{webhook.pk}/change/", {"url": webhook.url, "active": "on"})

    webhook.refresh_from_db()
    assert (webhook.active, webhook.ended, webhook.failures, webhook.rests_until) == (True, "", 0, None)


def test_the_secret_of_callbacks_is_the_agents(desk, robot):
    secret_url = f"/admin/approvals/agent/{robot.pk}/callback_secret/"
    assert not desk.get(secret_url).context["secret"]
    page = desk.post(secret_url)

    robot.refresh_from_db()
    assert page.context["secret"] in page.content.decode()
    assert robot.callback_secret and page.context["secret"] not in robot.callback_secret


def test_places_of_callbacks_are_listed_and_have_no_secret(desk, robot):
    callback = Endpoint.objects.create(agent=robot, url="https://agent.example.com", secret="", callback=True)

    assert "https://agent.example.com (callbacks)" in desk.get(PLACE).content.decode()
    assert desk.get(f"{PLACE}{callback.pk}/change/").status_code == 200
    for action in ("rotate", "test"):
        assert desk.post(f"{PLACE}{callback.pk}/{action}/").status_code in {403, 404}


def test_nobody_else_sees_or_does_any_of_it(as_, endpoint, queue, alice, mia, otto, olga, ada):
    webhook = endpoint("https://example.com/")
    [row] = queue(webhook, 1, status="dead")
    for person in (alice, mia, otto, olga, ada):  # without the group, ada is staff that may do nothing
        browser = as_(person)
        for url in (PLACE, f"{PLACE}{webhook.pk}/change/", "/admin/approvals/delivery/"):
            assert browser.get(url).status_code in {302, 403}, (person, url)
        for url in (
            f"{PLACE}add/",
            f"{PLACE}{webhook.pk}/rotate/",
            f"{PLACE}{webhook.pk}/test/",
            f"{PLACE}{webhook.pk}/replay_dead/",
            f"/admin/approvals/delivery/{row.pk}/replay_this/",
            f"/admin/approvals/agent/{webhook.agent_id}/callback_secret/",
        ):
            assert browser.post(url).status_code in {302, 403}, (person, url)

    row.refresh_from_db()
    webhook.refresh_from_db()
    assert row.status == "dead"
    assert webhook.agent.callback_secret == ""


def test_nobody_deletes_a_webhook_or_edits_a_delivery(as_, admin, root, endpoint, queue):
    webhook = endpoint("https://example.com/")
    [row] = queue(webhook)
    for person in (admin, root):
        assert as_(person).post(f"{PLACE}{webhook.pk}/delete/", {"post": "yes"}).status_code == 403
        assert as_(person).post(f"/admin/approvals/delivery/{row.pk}/change/", {"status": "done"}).status_code == 403

    assert Delivery.objects.get().status == "due"
