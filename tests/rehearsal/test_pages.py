"""Drafts, versions and rehearsals in the admin."""

import json
import re

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse

from approvals.db import times
from approvals.models import ActionType, PolicyVersion, Rehearsal, RoutingChange, User
from approvals.policy import snapshot
from approvals.policy.authoring import rehearsal_jobs, versions
from approvals.policy.authoring.rehearsal import Period
from approvals.tasks import rehearse


def url(name: str, *args: object) -> str:
    return reverse(f"admin:approvals_policyversion_{name}", args=args)


def one_line(response) -> str:
    """The page, white space as a browser takes it."""
    return " ".join(response.content.decode().split())


def messages_of(response) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def test_the_bar_stands_on_every_page_of_policy_and_goes_when_there_is_no_draft(desk, change_action_type, publish):
    change_action_type(tier_id=2)
    pages = ["tier/", "tier/1/change/", "actiontype/", "actiontype/refund/change/", "rule/", "rule/add/", "currency/"]
    for page in pages:
        text = desk.get(f"/admin/approvals/{page}").content.decode()
        assert "1 change not in force:" in text, page
        assert "Refund: lowest tier 1 → 2" in text, page
    publish()
    for page in pages:
        assert "not in force" not in desk.get(f"/admin/approvals/{page}").content.decode(), page


def test_from_a_draft_to_the_policy_in_force_and_back_in_the_admin_alone(desk, change_action_type, propose):
    propose(amount=40)
    first = snapshot.current().number
    change_action_type(tier_id=2)

    page = desk.get(url("draft")).content.decode()
    assert "1 change not in force" in page and "lowest tier" in page
    tried = desk.post(url("rehearse"), follow=True)
    assert "Of 1 approval 1 would move" in tried.content.decode()
    assert "asks tier 2" in tried.content.decode()

    digest = re.search(r'name="digest" value="([^"]+)"', page)[1]
    refused = desk.post(url("publish"), {"digest": digest, "note": ""})
    assert "Say in the note" in messages_of(refused)
    answer = desk.post(url("publish"), {"digest": digest, "note": "specialists"})
    assert f"Policy v{first + 1} is in force" in messages_of(answer)
    assert snapshot.current().types["refund"].tier == 2

    listed = desk.get(url("changelist")).content.decode()
    assert "specialists" in listed and url("revert", first) in listed and url("revert", first + 1) not in listed
    answer = desk.post(url("revert", first), follow=True)
    page = answer.content.decode()
    assert snapshot.current().number == first + 1  # it is a draft: a difference, a rehearsal, a note
    assert "1 change not in force" in page and url("rehearse") in page and f">Back to v{first}.</textarea>" in page
    digest = re.search(r'name="digest" value="([^"]+)"', page)[1]
    desk.post(url("publish"), {"digest": digest, "note": f"Back to v{first}."})
    assert snapshot.current().types["refund"].tier == 1
    assert snapshot.current().number == first + 2
    assert PolicyVersion.objects.first().note == f"Back to v{first}."


def test_discarding_is_said_and_stands_in_the_history(desk, change_action_type, ada):
    draft = change_action_type(tier_id=2)

    answer = desk.post(url("discard"), {"digest": draft.digest})

    assert "The draft is discarded" in messages_of(answer)
    assert ActionType.objects.get().tier_id == 1
    assert "lowest tier 1 → 2" in LogEntry.objects.get(user=ada).change_message


def test_what_cannot_be_published_is_said_on_the_page_and_the_button_is_off(desk, change_action_type):
    draft = change_action_type(value_path="sum")

    page = one_line(desk.get(url("draft")))

    assert "It cannot be published like this" in page
    assert "Refund · value: “sum” is not known; there are: order, amount, currency." in page
    assert "disabled> Publish </button>" in page
    assert "“sum” is not known" in messages_of(desk.post(url("publish"), {"digest": draft.digest, "note": "x"}))


def test_where_it_takes_two_the_pages_say_whose_turn_it_is(desk, as_, eve, change_action_type, settings):
    settings.ASSENT_SECOND_PUBLISHER = True
    draft = change_action_type(tier_id=2)
    assert "Ask another admin to publish" in desk.get(url("draft")).content.decode()
    desk.post(url("publish"), {"digest": draft.digest, "note": "specialists"})

    mine, hers = one_line(desk.get(url("draft"))), one_line(as_(eve).get(url("draft")))

    assert "You asked for it; another admin publishes it." in mine and "> Publish </button>" not in mine
    assert "asks for this: “specialists”" in hers and "> Publish </button>" in hers
    as_(eve).post(url("publish"), {"digest": draft.digest, "note": ""})
    assert snapshot.current().types["refund"].tier == 2
    assert "eve, asked by ada" in desk.get(url("changelist")).content.decode()


def test_a_policy_goes_out_and_comes_in_as_a_file(desk, staffed_refunds):
    number = snapshot.current().number
    out = desk.get(url("export", number))
    assert out["Content-Disposition"] == f'attachment; filename="policy-v{number}.toml"'
    text = out.content.decode().replace('strategy = "always"', 'strategy = "risk"')

    answer = desk.post(url("import"), {"file": SimpleUploadedFile("policy.toml", text.encode())})

    assert "The file is the draft now" in messages_of(answer)
    assert [change.after for change in versions.draft().changes] == ["When a rule or flag matches"]
    assert 'strategy = "risk"' in desk.get(url("export_draft")).content.decode()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"\xff\xfe", "no text in UTF-8"),
        (b"[[tier]", "This is no TOML"),
        (b'[[action]]\nname = "x"', "action “x”, title"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_words(desk, content, complaint):
    answer = desk.post(url("import"), {"file": SimpleUploadedFile("policy.toml", content)})

    assert complaint in messages_of(answer)
    assert not versions.draft().differs


# --- A rehearsal on its page


@pytest.fixture
def rehearsal_with_name(staffed_refunds, propose, change_action_type) -> Rehearsal:
    """A rehearsal that moved one approval, which has a name in it."""
    propose(order="ORDER-OF-MRS-SMITH", summary="SUMMARY")
    change_action_type(tier_id=2)
    rehearsal = rehearsal_jobs.ask(Period(), by=None)
    rehearsal_jobs.carry_out(rehearsal.pk)
    return Rehearsal.objects.get(pk=rehearsal.pk)


def test_the_headline_is_for_who_may_read_the_card_and_the_link_for_who_may_open_it(
    rehearsal_with_name, as_, ada, root, alice
):
    page = as_(ada).get(url("rehearsal", rehearsal_with_name.pk)).content.decode()
    assert "1 would move" in page and "robot" in page
    assert "SMITH" not in page and "/approvals/" + str(RoutingChange.objects.get().approval_id) not in page

    page = as_(root).get(url("rehearsal", rehearsal_with_name.pk)).content.decode()
    assert "SMITH" not in page and f"/approvals/{RoutingChange.objects.get().approval_id}/" in page

    User.objects.filter(pk=alice.pk).update(is_staff=True)
    alice.groups.set(ada.groups.all())
    page = as_(alice).get(url("rehearsal", rehearsal_with_name.pk)).content.decode()
    assert "ORDER-OF-MRS-SMITH" in page and "SUMMARY" not in page


def test_a_rehearsal_holds_nothing_of_what_was_proposed(rehearsal_with_name):
    assert "SMITH" not in json.dumps(list(RoutingChange.objects.values("before", "after", "why")))


def test_many_are_left_to_the_worker_and_the_page_says_how_far_it_is(desk, propose, change_action_type, monkeypatch):
    monkeypatch.setattr(rehearsal_jobs, "AT_ONCE_UP_TO", 1)
    for order in ("1", "2"):
        propose(order=order)
    change_action_type(tier_id=2)

    answer = desk.post(url("rehearse"), {"last": "500"}, follow=True)
    page = answer.content.decode()
    rehearsal = Rehearsal.objects.get()
    assert "Waiting for the worker" in page and 'hx-trigger="every 1s"' in page
    assert rehearsal_jobs.due() == [rehearsal.pk]  # the clock rings for it

    Rehearsal.objects.update(heartbeat_at=times.now(), looked=1)
    fragment = desk.get(url("rehearsal", rehearsal.pk), headers={"HX-Request": "true"}).content.decode()
    assert "1 of 2 looked at" in fragment and "<html" not in fragment
    assert rehearsal_jobs.due() == []

    Rehearsal.objects.update(heartbeat_at=times.now() - rehearsal_jobs.SILENT * 2)  # the worker died
    assert rehearsal_jobs.due() == [rehearsal.pk]
    rehearse(str(rehearsal.pk))
    done = desk.get(url("rehearsal", rehearsal.pk), headers={"HX-Request": "true"}).content.decode()
    assert "Of the last 2 approvals 2 would move" in done and "hx-trigger" not in done


def test_a_bell_that_rings_twice_is_answered_once(rehearsal_with_name):
    before = list(RoutingChange.objects.values_list("pk", flat=True))

    rehearse(str(rehearsal_with_name.pk))

    assert list(RoutingChange.objects.values_list("pk", flat=True)) == before


def test_a_rehearsal_that_fails_says_so(rehearsal_with_name, desk, change_action_type, monkeypatch):
    def fails(*_: object) -> None:
        raise RuntimeError("of the disk")

    monkeypatch.setattr(rehearsal_jobs, "_carry_out", fails)
    change_action_type(tier_id=3)
    answer = desk.post(url("rehearse"), follow=True).content.decode()

    assert "The rehearsal failed" in answer and "of the disk" not in answer
    assert rehearsal_jobs.due() == []


def test_the_oldest_rehearsals_are_forgotten(rehearsal_with_name, monkeypatch):
    monkeypatch.setattr(rehearsal_jobs, "KEPT", 2)
    for _ in range(3):
        rehearsal_jobs.ask(Period(), by=None)

    assert Rehearsal.objects.count() == 2
    assert not Rehearsal.objects.filter(pk=rehearsal_with_name.pk).exists()


def test_a_day_that_is_none_is_said(desk, change_action_type):
    change_action_type(tier_id=2)

    assert "A day is written as" in messages_of(desk.post(url("rehearse"), {"since": "yesterday"}))


# --- The command


def test_the_command_sends_out_takes_in_and_rehearses(staffed_refunds, propose, tmp_path, capsys):
    propose(amount=40)
    file = tmp_path / "policy.toml"
    call_command("policy", "export", str(file))
    file.write_text(file.read_text().replace("tier = 1", "tier = 2"))

    call_command("policy", "import", str(file))
    assert "Refund: lowest tier 1 → 2" in capsys.readouterr().out
    assert snapshot.current().types["refund"].tier == 1

    call_command("policy", "rehearse")
    out = capsys.readouterr().out
    assert "Of the last 1 approvals 1 would move." in out and "a higher tier" in out
    call_command("policy", "rehearse", "--json")
    assert json.loads(capsys.readouterr().out)["moved"][0]["after"]["tier"] == 2


def test_the_command_names_what_is_wrong(staffed_refunds, tmp_path):
    file = tmp_path / "policy.toml"
    file.write_text("whole = 3")
    with pytest.raises(CommandError, match="whole: "):
        call_command("policy", "import", str(file))
    with pytest.raises(CommandError, match="no such version"):
        call_command("policy", "export", "--number", "77")
    with pytest.raises(CommandError, match="Nothing differs"):
        call_command("policy", "rehearse")


def test_loading_a_pack_puts_nobodys_draft_in_force(staffed_refunds, change_action_type):
    change_action_type(tier_id=2)

    with pytest.raises(CommandError, match="publish or discard them first"):
        call_command("packs", "legal")
    assert snapshot.current().types["refund"].tier == 1
