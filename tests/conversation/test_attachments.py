"""Files beside a proposal: what they are is what their bytes say, and what was approved includes them (I4)."""

import hashlib
import zlib
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from approvals.db import times
from approvals.decisions.card_version import card_version_of, load
from approvals.decisions.decide import decide
from approvals.decisions.verdict_input import VerdictInput
from approvals.models import Agent, Attachment, Proposal
from approvals.requests import attachments
from approvals.requests.submission import BadSubmission
from approvals.values import schema
from tests.checker import check
from tests.concurrency import rounds
from tests.conftest import replace_arguments
from tests.web import database_url


def png() -> bytes:
    """A white point."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = (1).to_bytes(4) + (1).to_bytes(4) + bytes([8, 0, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\xff")) + chunk(b"IEND", b"")
    )


PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
GIF = b"GIF89a\x01\x00\x01\x00\x00\xff\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x00;"
WEBP = b"RIFF\x1a\x00\x00\x00WEBPVP8L\r\x00\x00\x00/\x00\x00\x00\x10\x07\x10\x11\x11\x88\x88\xfe\x07\x00"
TAKEN = {
    "application/pdf": PDF,
    "image/png": png(),
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
    "image/gif": GIF,
    "image/webp": WEBP,
    "text/plain": "grüß dich\n".encode(),
    "text/csv": b"order,amount\n456,420\n",
    "application/json": b'{"order": "456"}',
}


@pytest.mark.parametrize("kind", TAKEN)
def test_what_is_taken_is_what_it_claims_to_be(kind, api):
    response = api.send(TAKEN[kind], kind, "evidence")

    assert response.status_code == 201
    attachment = response.json()
    assert (attachment["media_type"], attachment["size"]) == (kind, len(TAKEN[kind]))
    assert attachment["digest"] == "sha256:" + hashlib.sha256(TAKEN[kind]).hexdigest()
    assert attachment["name"].startswith("evidence.")
    assert bytes(Attachment.objects.get(pk=attachment["id"]).content) == TAKEN[kind]


@pytest.mark.parametrize("kind", TAKEN)
def test_what_claims_nothing_is_what_its_bytes_say(kind, api):
    plain = {"text/csv", "application/json"}  # nothing in the bytes tells them from other text
    assert api.send(TAKEN[kind], "application/octet-stream").json()["media_type"] == (
        "text/plain" if kind in plain else kind
    )


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "text/plain"),
        (PDF, "image/png"),
        (png(), "image/jpeg"),
        (b"hello", "application/pdf"),
        (b"\x7fELF\x02\x01\x01", "application/octet-stream"),
        (b"PK\x03\x04", "application/zip"),
        (b"<!doctype html><script>alert(1)</script>", "text/plain"),
        (b"\n  <HTML><body onload=alert(1)>", "text/plain"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "image/svg+xml"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "application/octet-stream"),
        (b"\xef\xbb\xbf<svg/onload=alert(1)>", "text/plain"),
        (b"<?xml version='1.0'?><x:script xmlns:x='http://www.w3.org/1999/xhtml'/>", "text/csv"),
        (b"<!-- --><script>alert(1)</script>", "text/plain"),
        (b"text with \x00 in it", "text/plain"),
        (b"\xff\xfeh\x00i\x00", "text/plain"),
        (b"{not json", "application/json"),
        (b"[" * 100_000, "application/json"),
    ],
)
def test_what_is_something_else_or_could_run_is_refused(content, kind, api):
    response = api.send(content, kind)

    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/file"
    assert not Attachment.objects.exists()


def test_ten_megabytes_are_taken_and_no_byte_more(api):
    largest = b"x" * attachments.LARGEST
    assert api.send(largest, "text/plain").status_code == 201
    response = api.send(largest + b"x", "text/plain")

    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert Attachment.objects.count() == 1


def test_so_much_in_a_day_and_no_more_until_there_is_room(api, settings):
    settings.ASSENT_ATTACHMENTS = 1000
    assert api.send(b"a" * 600, "text/plain").status_code == 201
    with times.at(times.now() + timedelta(hours=6)):
        assert api.send(b"b" * 400, "text/plain").status_code == 201
        assert api.send(b"a" * 600, "text/plain").status_code == 200  # the one there is takes no room
        response = api.send(b"c" * 500, "text/plain")
        assert (response.status_code, response.json()["code"]) == (429, "too_many_files")
        assert int(response["Retry-After"]) == pytest.approx(18 * 3600, abs=30)
        assert api.send(b"c", "text/plain").status_code == 429
    with times.at(times.now() + timedelta(hours=24, minutes=1)):
        assert api.send(b"c" * 600, "text/plain").status_code == 201
    assert Attachment.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_files_sent_at_once_do_not_share_the_last_room(db, settings):
    settings.ASSENT_ATTACHMENTS = 1000

    def send(content):
        return lambda number: attachments.keep(agents[number], name="x.txt", claimed="text/plain", content=content)

    agents = [Agent.objects.create(name=f"sender-{number}") for number in range(20)]
    for answers in rounds(20, *(send(letter * 600) for letter in (b"a", b"b", b"c", b"d"))):
        assert sum(isinstance(one, attachments.QuotaExceeded) for one in answers) == 3


def test_the_limit_of_everything_else_stays_one_megabyte(api):
    body = {"action": "refund", "args": {"order": "1", "amount": 1, "currency": "EUR"}, "reasoning": "x" * 2**20}
    assert api.post("requests", body).status_code == 413


def test_a_form_brings_a_file_and_its_name(api):
    sent = SimpleUploadedFile("photo of the cable.png", png(), "image/png")
    response = api.client.post("/api/v1/attachments", {"file": sent})

    assert response.status_code == 201
    assert response.json()["name"] == "photo of the cable.png"
    assert api.client.post("/api/v1/attachments", {"note": "none"}).status_code == 422
    two = {"file": SimpleUploadedFile("a.png", png()), "other": SimpleUploadedFile("b.png", png())}
    assert api.client.post("/api/v1/attachments", two).status_code == 422


def test_the_same_file_again_is_the_one_there_is(api, stranger):
    first = api.send(PDF, "application/pdf", "invoice.pdf")
    again = api.send(PDF, "application/pdf", "invoice.pdf")
    another_name = api.send(PDF, "application/pdf", "other.pdf")

    assert (again.status_code, again.json()) == (200, first.json())
    assert another_name.status_code == 201
    assert stranger.send(PDF, "application/pdf", "invoice.pdf").json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd.pdf"),
        ("C:\\Users\\eve\\invoice.PDF", "invoice.PDF"),
        ("invoice.pdf.exe", "invoice.pdf.exe.pdf"),
        ('in\r\nvoice".pdf', "in\u2039U+000D\u203a\u2039U+000A\u203avoice_.pdf"),
        ("invoice\u202efdp.exe", "invoice\u2039U+202E\u203afdp.exe.pdf"),
        ("...", "attachment.pdf"),
        ("", "attachment.pdf"),
        ("x" * 400 + ".pdf", "x" * 120 + ".pdf"),
    ],
)
def test_a_name_is_no_path_hides_nothing_and_ends_as_its_kind_does(name, kept):
    assert attachments.safe_name(name, "application/pdf") == kept


# --- Beside a proposal


@pytest.fixture
def attached(api):
    """Submit a refund with files beside it, by the API; returns the answer."""

    def submit(*files, **more):
        args = {"order": "456", "amount": 420, "currency": "EUR"}
        ids = [one["id"] for one in files]
        return api.post("requests", {"action": "refund", "args": args, "attachments": ids, **more})

    return submit


@pytest.mark.django_db(transaction=True)  # the checker reads what is committed
def test_i4_the_files_are_part_of_what_is_approved(refunds, alice, api, attached):
    photo, invoice = api.send(png(), "image/png").json(), api.send(PDF, "application/pdf").json()
    [bare] = attached().json()["items"]
    [item] = attached(photo, invoice).json()["items"]
    [turned] = attached(invoice, photo).json()["items"]
    content = {
        "agent": "robot",
        "action": "refund",
        "schema_version": refunds.schema_version,
        "args": {"order": "456", "amount": 420, "currency": "EUR"},
        "subject": "order:456",
        "attachments": [photo["digest"], invoice["digest"]],
    }

    assert item["action_digest"] == schema.digest_of(content)
    assert len({bare["action_digest"], item["action_digest"], turned["action_digest"]}) == 3
    assert check(database_url()) == []
    Proposal.objects.filter(digest=item["action_digest"]).update(attachments=[photo])
    assert any(found.startswith("I4") for found in check(database_url()))


@pytest.mark.django_db(transaction=True)  # the checker reads what is committed
def test_i4_a_reviewers_change_keeps_the_files(refunds, alice, api, attached):
    photo = api.send(png(), "image/png").json()
    pk = attached(photo).json()["review_url"].rstrip("/").rsplit("/", 1)[-1]
    verdict_input = VerdictInput(edits=replace_arguments({"order": "456", "amount": 400, "currency": "EUR"}))
    decided = decide(card_version_of(load(pk)), by=alice, verdict="modify", verdict_input=verdict_input)

    assert [one["id"] for one in decided.proposal.attachments] == [photo["id"]]
    assert check(database_url()) == []


@pytest.mark.django_db(transaction=True)  # the checker reads what is committed
def test_an_amendment_may_bring_other_files(refunds, api, attached):
    photo, invoice = api.send(png(), "image/png").json(), api.send(PDF, "application/pdf").json()
    request = attached(photo).json()
    path = f"requests/{request['id']}/items/1/amend"
    [kept] = api.post(path, {"summary": "see the photo"}).json()["items"]
    [changed] = api.post(path, {"attachments": [invoice["id"]]}).json()["items"]

    assert kept["action_digest"] == request["items"][0]["action_digest"]
    assert changed["action_digest"] != kept["action_digest"]
    assert changed["revision"] == 3
    assert check(database_url()) == []


@pytest.mark.parametrize("whose", ["stranger", "nobody"])
def test_another_agents_file_is_as_unknown_as_none(whose, refunds, api, stranger, attached):
    foreign = stranger.send(PDF, "application/pdf").json()["id"] if whose == "stranger" else str(uuid4())
    response = attached({"id": foreign})

    assert response.status_code == 422
    assert response.json()["errors"] == [{"pointer": "/attachments/0", "message": "There is no such attachment."}]
    dry = {"action": "refund", "args": {"order": "1", "amount": 1, "currency": "EUR"}, "attachments": [foreign]}
    assert api.post("evaluate", dry).status_code == 422


def test_only_so_many_and_each_once(refunds, api, attached):
    photo = api.send(png(), "image/png").json()
    assert attached(photo, photo).status_code == 422
    assert attached(*[{"id": f"{UUID(int=number)}"} for number in range(attachments.MOST + 1)]).status_code == 422


def test_a_file_that_is_too_large_is_refused_wherever_it_comes_from(robot):
    with pytest.raises(BadSubmission):
        attachments.keep(robot, name="x", claimed="text/plain", content=b"x" * (attachments.LARGEST + 1))


# --- On the card


@pytest.fixture
def card(refunds, api, attached):
    photo, table = api.send(png(), "image/png", "photo.png"), api.send(TAKEN["text/csv"], "text/csv", "orders.csv")
    request = attached(photo.json(), table.json()).json()
    return load(request["review_url"].rstrip("/").rsplit("/", 1)[-1]), photo.json(), table.json()


def test_an_image_is_shown_from_our_own_address_and_everything_else_is_downloaded(card, alice, as_):
    approval, photo, table = card
    page = as_(alice).get(reverse("card:card", args=[approval.pk])).content.decode()
    shown = as_(alice).get(reverse("card:attachment", args=[approval.pk, photo["id"]]))
    saved = as_(alice).get(reverse("card:attachment", args=[approval.pk, table["id"]]))

    assert "photo.png" in page
    assert "orders.csv" in page
    assert f'src="{reverse("card:attachment", args=[approval.pk, photo["id"]])}"' in page
    assert f'src="{reverse("card:attachment", args=[approval.pk, table["id"]])}"' not in page
    assert (shown["Content-Type"], shown.content) == ("image/png", png())
    assert shown["Content-Disposition"].startswith("inline")
    assert saved["Content-Disposition"].startswith("attachment")
    for response in (shown, saved):
        assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "no-store" in response["Cache-Control"]


def test_a_file_is_for_who_may_read_the_card(card, request, as_):
    approval, photo, _ = card
    address = reverse("card:attachment", args=[approval.pk, photo["id"]])
    seen_by = {
        name
        for name in ("alice", "bob", "carol", "olga", "mallory", "mia", "otto", "ada", "root", "oscar")
        if as_(request.getfixturevalue(name)).get(address).status_code == 200
    }

    assert seen_by == {"alice", "bob", "carol", "olga", "mia", "otto"}


def test_a_file_is_read_through_the_approval_it_stands_beside(card, propose, alice, as_):
    _, photo, _ = card
    other = propose(order="457")
    assert as_(alice).get(reverse("card:attachment", args=[other.pk, photo["id"]])).status_code == 404
