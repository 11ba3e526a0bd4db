"""A CSV file of outcomes and incidents: said first, then taken as a whole, and only once."""

import io

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from approvals.decisions.card_version import card_version_of
from approvals.decisions.decide import decide
from approvals.execution import outcome_import
from approvals.models import Approval, AuditEvent, Incident, Outcome
from console.reports import imports

URL = "/reports/import/"


@pytest.fixture
def released(propose, alice):
    """Approvals that were let run: released(3)."""

    def make(count):
        approvals = [propose(order=str(number)) for number in range(count)]
        for approval in approvals:
            decide(card_version_of(approval), by=alice, verdict="approve")
        return approvals

    return make


def csv_of(*lines, head="approval,outcome,severity,cost,time,note"):
    return "\n".join([head, *lines]) + "\n"


def upload(browser, text):
    return browser.post(URL, {"file": io.BytesIO(text.encode())})


def test_a_file_is_said_first_and_then_taken_once(as_, released, mia):
    ran, harmed = released(2)
    text = csv_of(f"{ran.pk},succeeded,,,,", f'{harmed.pk},failed,high,12.50,2999-01-01T00:00:00Z,"paid, twice"')
    browser = as_(mia)
    assert "Line 3" in upload(browser, text).text, "a time that has not come"
    text = text.replace("2999-01-01T00:00:00Z", "")
    shown = upload(browser, text)
    assert (shown.context["checked"].outcomes, shown.context["checked"].incidents) == (2, 1)
    assert not Outcome.objects.exists() and not Incident.objects.exists()

    taken = browser.post(URL, {"text": shown.context["text"], "take": "1"})
    assert taken.context["taken"]
    assert dict(Outcome.objects.values_list("approval", "result")) == {ran.pk: "succeeded", harmed.pk: "failed"}
    incident = Incident.objects.get()
    assert (incident.severity, str(incident.cost), incident.text, incident.opened_by) == (
        "high",
        "12.50",
        "paid, twice",
        mia,
    )
    assert Approval.objects.get(pk=ran.pk).status == "executed"
    events = AuditEvent.objects.filter(kind__in=["outcome", "incident"])
    assert sorted(events.values_list("kind", "actor")) == [
        ("incident", "user:mia"),
        *[("outcome", "user:mia")] * 2,
    ]
    again = browser.post(URL, {"text": text.replace("\n", "\r\n"), "take": "1"}).context["checked"]
    assert (again.outcomes, again.incidents, again.unchanged) == (0, 0, 2)
    assert (Outcome.objects.count(), Incident.objects.count()) == (2, 1)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{pk},won,,,,", "The outcome is"),
        ("{pk},,worse,,,hm", "The severity is"),
        ("{pk},,high,,,", "Write what happened"),
        ("{pk},,,,,hm", "Say an outcome or a severity"),
        ("{pk},failed,,3,,", "Only an incident has a cost"),
        ("{pk},failed,low,NaN,,hm", "Give an amount"),
        ("{pk},failed,,,2026-11-03T14:05:00,", "needs its zone"),
        ("{pk},failed,,,2000-01-01T00:00:00Z,", "between the proposal and now"),
        ("00000000-0000-0000-0000-000000000000,failed,,,,", "no such approval"),
        (",failed,,,,", "Name the approval"),
        ("{pk},failed", "2 cells"),
        ("{pk},skipped,low,,,hm", "cannot have run"),
        ("{open},failed,,,,", "was not released"),
    ],
)
def test_a_bad_line_is_named_and_nothing_of_the_file_is_taken(as_, released, propose, mia, line, why):
    good, other = released(2)
    waiting = propose(order="99")
    text = csv_of(f"{good.pk},succeeded,,,,", line.format(pk=other.pk, open=waiting.pk))
    shown = upload(as_(mia), text)
    assert shown.status_code == 422
    assert [fault.line for fault in shown.context["faults"]] == [3]
    assert why in shown.context["faults"][0].message
    assert as_(mia).post(URL, {"text": text, "take": "1"}).status_code == 409
    assert not Outcome.objects.exists()


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe", b"", b"approval,cheese\n", b"approval,note\n" + b"x" * 1_000_001, b"note\n" + b"a\n" * 10_001],
)
def test_what_is_no_such_file_is_refused(as_, mia, tiers, content):
    assert as_(mia).post(URL, {"file": io.BytesIO(content)}).status_code == 422


def test_an_approval_is_found_by_its_request_and_another_outcome_is_a_contradiction(as_, released, mia):
    approval = released(1)[0]
    text = csv_of(f"{approval.request_id};failed", head="request;outcome")
    browser = as_(mia)
    browser.post(URL, {"text": text, "take": "1"})
    assert Outcome.objects.get().result == "failed"
    refused = upload(browser, csv_of(f"{approval.pk},succeeded,,,,"))
    assert "is failed already" in refused.context["faults"][0].message


def test_a_shell_takes_it_through_the_same_door(released, mia, alice, tmp_path):
    approval = released(1)[0]
    file = tmp_path / "outcomes.csv"
    file.write_text(csv_of(f"{approval.pk},succeeded,,,,"))
    with pytest.raises(CommandError, match="no manager"):
        call_command("import_outcomes", file, by=alice.username)
    call_command("import_outcomes", file, by=mia.username, check=True, verbosity=0)
    assert not Outcome.objects.exists()
    call_command("import_outcomes", file, by=mia.username, verbosity=0)
    assert Outcome.objects.get().reported_by == mia


def test_a_page_takes_a_thousand_rows_and_a_shell_ten(as_, mia, monkeypatch):
    monkeypatch.setattr(imports, "MOST_ROWS", 2)
    text = csv_of(*["x,succeeded,,,,"] * 3)

    for fields in ({"file": io.BytesIO(text.encode())}, {"text": text, "take": "1"}):
        page = as_(mia).post(URL, fields)
        assert "More than 2 rows. Import it in parts." in page.text
    assert [fault.line for fault in outcome_import.check(text.encode(), by=mia).faults] == [2, 3, 4]
