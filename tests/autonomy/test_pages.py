"""The fleet: what each agent has earned, what is missing in words, and the one page on which a level is signed."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from approvals.autonomy import levels
from approvals.db import times
from approvals.models import Agent, Autonomy, Breaker, Incident

FLEET = "/fleet/"


def text_of(response) -> str:
    return " ".join(response.content.decode().split())


def test_every_cell_says_what_it_lacks_for_the_next_level(evidence, as_, mia, autonomy):
    evidence("low", earned=False, e=2.5, labels=27, wrong=0, needed=61)
    evidence("medium", labels=140, wrong=1, may_lose_gate=True)
    page = text_of(as_(mia).get(FLEET))

    assert "robot · Refund" in page
    assert "61 more labels without a fault." in page
    assert "27 labels, 0 wrong" in page
    assert "E 2.5 of 20.0" in page
    assert "Level 3 is earned; a manager signs it." in page
    assert "May lose its gate" in page


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"earned": False, "needed": None}, "Out of reach"),
        ({"earned": False, "needed": None, "labels": 0, "e": 0}, "Out of reach"),
        ({"earned": False, "needed": None, "labels": 0, "e": 1}, "Nothing judged yet."),
        ({"began_at": "now"}, "At this level until"),
        ({"incident": True}, "1 incident of high severity is open."),
        ({"breaker": True}, "A breaker is open."),
        ({"level": 3}, "No higher level for such actions."),
    ],
)
def test_each_lack_has_its_sentence(fields, sentence, evidence, as_, mia, autonomy, propose, open_breaker, robot):
    if fields.pop("incident", False):
        Incident.objects.create(approval=propose(), severity="high", text="gone")
    if fields.pop("breaker", False):
        open_breaker(robot)
    if "began_at" in fields:
        fields["began_at"] = times.now()
    Autonomy.objects.update(level=fields.pop("level", 2))
    evidence("low", **fields)

    assert sentence in text_of(as_(mia).get(FLEET))


def test_the_fleet_is_read_in_as_many_queries_as_one_cell(evidence, as_, mia, refunds):
    evidence()
    as_(mia).get(FLEET)
    with CaptureQueriesContext(connection) as few:
        as_(mia).get(FLEET)
    for number in range(30):
        agent = Agent.objects.create(name=f"robot-{number}")
        row = Autonomy.objects.create(agent=agent, action_type=refunds, level=2)
        for band in ("low", "medium", "high"):
            evidence(band, of=row)
    with CaptureQueriesContext(connection) as many:
        page = as_(mia).get(FLEET)

    assert len(many) == len(few)
    assert text_of(page).count("Level 3 is earned") == 31  # of each the lowest band comes first


def test_the_list_is_narrowed_to_what_waits_for_a_signature_and_to_what_is_held(
    evidence, as_, mia, refunds, open_breaker, robot
):
    evidence()
    other = Agent.objects.create(name="other")
    Autonomy.objects.create(agent=other, action_type=refunds, level=1)
    open_breaker(other)

    def shown(query: str) -> list[bool]:
        page = text_of(as_(mia).get(f"{FLEET}?{query}"))
        return [f"{name} · Refund</a>" in page for name in ("robot", "other")]

    assert shown("") == [True, True]
    assert shown("state=sign") == [True, False]
    assert shown("state=breaker") == [False, True]
    assert shown("state=gate") == [False, False]
    assert shown("agent=other") == [False, True]
    assert shown("type=nothing") == [False, False]
    assert shown("state=1'&page=-4") == [True, True]


def test_a_manager_signs_on_the_cells_page(evidence, as_, mia, autonomy):
    row = evidence(labels=140, wrong=1)
    page = text_of(as_(mia).get(reverse("evidence:cell", args=[autonomy.pk])))
    assert "140 proposals were judged, 1 of them wrong. So at most 5 % were wrong" in page
    assert "this assumes that people read carefully" in page
    assert "Sign level 3" in page

    answer = as_(mia).post(reverse("evidence:sign", args=[row.pk]), {"level": "2"}, follow=True)

    assert "Level 2 to 3 for low impact: 1 of 140 labels wrong" in text_of(answer)
    assert "Sign level" not in text_of(answer)
    again = as_(mia).post(reverse("evidence:sign", args=[row.pk]), {"level": "2"})
    assert (again.status_code, "The level is 3 by now" in text_of(again)) == (409, True)


def test_who_reads_but_does_not_sign_sees_no_button(evidence, as_, mia, otto, autonomy, robot):
    evidence()
    robot.operators.add(mia)
    for user, sentence in ((otto, "A manager signs it."), (mia, "another manager signs")):
        page = text_of(as_(user).get(reverse("evidence:cell", args=[autonomy.pk])))
        assert sentence in page
        assert "Sign level" not in page


def test_a_get_signs_nothing(evidence, as_, mia, autonomy):
    assert as_(mia).get(reverse("evidence:sign", args=[evidence().pk]), {"level": "2"}).status_code == 405
    autonomy.refresh_from_db()
    assert autonomy.level == 2


def test_a_level_is_lowered_and_an_incident_closed_there(evidence, as_, mia, autonomy, propose):
    incident = Incident.objects.create(approval=propose(), severity="high", text="gone")
    page = as_(mia).get(reverse("evidence:cell", args=[autonomy.pk]))
    assert "Open incidents of high severity" in text_of(page)

    as_(mia).post(reverse("evidence:close_incident", args=[incident.pk]))
    as_(mia).post(reverse("evidence:lower", args=[autonomy.pk]), {"level": "1"})

    incident.refresh_from_db()
    autonomy.refresh_from_db()
    assert (incident.closed_by, autonomy.level) == (mia, 1)
    assert as_(mia).post(reverse("evidence:lower", args=[autonomy.pk]), {"level": "9"}).status_code == 409


@pytest.mark.parametrize(("scope", "subject"), [("pair", "robot · Refund"), ("agent", "robot"), ("type", "Refund")])
def test_a_breaker_is_opened_there_and_shows_its_trial(scope, subject, as_, mia, autonomy):
    form = {"scope": scope, "why": "It invents orders.", "decisions": "10", "wrong": "1"}
    page = as_(mia).post(reverse("evidence:open_breaker", args=[autonomy.pk]), form, follow=True)

    breaker = Breaker.objects.get()
    assert str(breaker) == subject
    assert f"Breaker open: {subject}" in text_of(page)
    page = text_of(as_(mia).get(reverse("evidence:breaker", args=[breaker.pk])))
    assert "0 of 10 decisions, 0 wrong of 1 allowed" in page
    assert "Close the breaker" not in page
    assert as_(mia).post(reverse("evidence:close_breaker", args=[breaker.pk])).status_code == 409


def test_a_breaker_without_a_reason_is_not_opened(as_, mia, autonomy):
    form = {"scope": "pair", "decisions": "10"}
    for fields, sentence in (
        ({"why": " ", "wrong": "1"}, "required"),
        ({"why": "x", "wrong": "9"}, "at most a quarter may be wrong"),
    ):
        page = as_(mia).post(reverse("evidence:open_breaker", args=[autonomy.pk]), form | fields, follow=True)
        assert sentence in text_of(page)
    assert not Breaker.objects.exists()


def test_another_trial_is_declared_on_the_breakers_page(as_, mia, otto, autonomy, open_breaker, robot):
    breaker = open_breaker(robot, trial_decisions=10, trial_wrong=1)
    address = reverse("evidence:declare_trial", args=[breaker.pk])
    assert as_(otto).post(address, {"decisions": "30", "wrong": "2"}).status_code == 403
    assert as_(mia).post(address, {"decisions": "3", "wrong": "2"}).status_code == 422

    page = as_(mia).post(address, {"decisions": "30", "wrong": "2"}, follow=True)

    assert "0 of 30 decisions, 0 wrong of 2 allowed" in text_of(page)
    Breaker.objects.update(closed_at=times.now(), closed_by=mia)
    assert "Closed by Mia" in text_of(as_(mia).get(reverse("evidence:breaker", args=[breaker.pk])))


def test_what_an_agent_states_of_itself_is_text(as_, mia, robot, refunds):
    row = levels.row_of(robot.pk, "refund", ("<b>gpt</b>\u202e", "", ""), level=1)
    for address in (FLEET, reverse("evidence:cell", args=[row.pk])):
        page = as_(mia).get(address).content.decode()
        assert "<b>gpt" not in page
        assert "\u202e" not in page


def test_thin_evidence_is_said_as_that(as_, mia, autonomy):
    page = text_of(as_(mia).get(FLEET))
    assert "Nothing judged yet." in page
    autonomy.delete()
    assert "A line appears here" in text_of(as_(mia).get(FLEET))
