"""Files that an agent lays beside a proposal: taken once, referred to by id, and part of what is approved.

Their content is hostile. What a file is, its bytes say; what could run in a browser is not taken.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from math import ceil
from pathlib import PurePosixPath
from types import MappingProxyType
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from approvals.db import times
from approvals.errors import ReviewError
from approvals.models import Agent, Attachment
from approvals.requests.submission import AgentSubmission, BadSubmission
from approvals.values.characters import plain
from approvals.values.schema import Fault, Json

LARGEST = 10 * 1024 * 1024  # bytes
MOST = 20  # beside one proposal
WINDOW = timedelta(days=1)  # in which an agent sends at most ASSENT_ATTACHMENTS_MB
LONGEST_NAME = 120

PLAIN = "text/plain"
IMAGES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
# What is taken, and how the name of such a file ends.
ENDINGS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "application/pdf": (".pdf",),
        "image/png": (".png",),
        "image/jpeg": (".jpg", ".jpeg"),
        "image/gif": (".gif",),
        "image/webp": (".webp",),
        PLAIN: (".txt", ".text", ".log", ".md"),
        "text/csv": (".csv",),
        "application/json": (".json",),
    }
)
_UNSAID = frozenset({"", "application/octet-stream"})
_ALIASES = {"image/jpg": "image/jpeg", "application/csv": "text/csv", "text/json": "application/json"}
_STARTS: Sequence[tuple[str, Callable[[bytes], bool]]] = (
    ("application/pdf", lambda raw: raw.startswith(b"%PDF-")),
    ("image/png", lambda raw: raw.startswith(b"\x89PNG\r\n\x1a\n")),
    ("image/jpeg", lambda raw: raw.startswith(b"\xff\xd8\xff")),
    ("image/gif", lambda raw: raw[:6] in (b"GIF87a", b"GIF89a")),
    ("image/webp", lambda raw: raw[:4] == b"RIFF" and raw[8:12] == b"WEBP"),
)
# What a browser would take for a document: HTML, SVG and every other XML.
_MARKUP = re.compile(r"\s*<(?:!doctype|!--|\?xml|[a-z]+[\s/>:])", re.IGNORECASE)
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0e-\x1f]")


class QuotaExceeded(ReviewError):
    """The agent has sent as much as it may in a day; `seconds` until it may send again."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        megabytes = settings.ASSENT_ATTACHMENTS // 1024**2
        super().__init__(f"An agent may send {megabytes:,} MB of files in 24 hours; again in {seconds} s.")


FileRecord = Mapping[str, Json]  # id, name, media type, size and digest of a file
Files = Mapping[tuple[UUID, str], FileRecord]
NO_FILES: Files = MappingProxyType({})


def keep(agent: Agent, *, name: str, claimed: str, content: bytes) -> tuple[Attachment, bool]:
    """Take a file; returns it and whether it is new. The same file of the same name again is the one there is.

    Raises BadSubmission: empty, too large, of a kind that is not taken, or not what it claims to be; QuotaExceeded.
    """
    if len(content) > LARGEST:
        raise BadSubmission([Fault("/file", "At most 10 MB.")])
    kind = media_type(content, claimed)
    clean_name = safe_name(name, kind)
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    existing = (
        Attachment.objects.filter(agent=agent, digest=digest, name=clean_name, media_type=kind).defer("content").first()
    )
    if existing is not None:
        return existing, False
    now = times.now()
    with transaction.atomic():
        Agent.objects.select_for_update(no_key=True).get(pk=agent.pk)  # two at once do not both take what is left
        _refuse_over_quota(agent, len(content), now=now)
        made = Attachment.objects.create(
            agent=agent,
            name=clean_name,
            media_type=kind,
            size=len(content),
            digest=digest,
            content=content,
            created_at=now,
        )
    return made, True


def _refuse_over_quota(agent: Agent, size: int, *, now: datetime) -> None:
    """Raises QuotaExceeded where this one goes beyond what the agent may send in a day."""
    sent = Attachment.objects.filter(agent=agent, created_at__gt=now - WINDOW)
    over = size + (sent.aggregate(sum=Sum("size"))["sum"] or 0) - settings.ASSENT_ATTACHMENTS
    if over <= 0:
        return
    until = now
    for at, freed in sent.order_by("created_at").values_list("created_at", "size"):
        until, over = at + WINDOW, over - freed
        if over <= 0:
            break
    raise QuotaExceeded(max(1, ceil((until - now).total_seconds())))


def media_type(content: bytes, claimed: str) -> str:
    """What the bytes are, which must be what is claimed, where anything is. Raises BadSubmission."""
    if not content:
        raise BadSubmission([Fault("/file", "The file is empty.")])
    claimed_type = claimed.partition(";")[0].strip().lower()
    claimed_type = _ALIASES.get(claimed_type, claimed_type)
    if claimed_type not in _UNSAID and claimed_type not in ENDINGS:
        raise BadSubmission(
            [Fault("/file", f"Files of the type {claimed_type[:80]!r} are not taken: {', '.join(ENDINGS)}.")]
        )
    actual_type = next((kind for kind, starts in _STARTS if starts(content)), None) or _text_type(content, claimed_type)
    if actual_type is None:
        raise BadSubmission([Fault("/file", f"This is none of the files that are taken: {', '.join(ENDINGS)}.")])
    if claimed_type not in _UNSAID and actual_type != claimed_type:
        raise BadSubmission([Fault("/file", f"This is not {claimed_type}: its bytes say {actual_type}.")])
    return actual_type


def _text_type(content: bytes, claimed_type: str) -> str | None:
    """The kind of a text; None for what is no text, or would be markup to a browser."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if _UNPRINTABLE.search(text) or _MARKUP.match(text):
        return None
    if claimed_type == "application/json":
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return PLAIN
        return claimed_type
    # Nothing in its bytes tells a table from other text.
    return claimed_type if claimed_type == "text/csv" else PLAIN


def safe_name(name: str, kind: str) -> str:
    """A name that is no path, hides nothing and ends as its kind does."""
    base = PurePosixPath(unicodedata.normalize("NFC", name).replace("\\", "/")).name
    shown = " ".join(plain(base, in_line=True).split()).strip(". ")
    stem, ending = PurePosixPath(shown).stem, PurePosixPath(shown).suffix
    if ending.lower() not in ENDINGS[kind]:
        stem, ending = shown, ENDINGS[kind][0]
    return (re.sub(r'[<>:"|?*]', "_", stem)[:LONGEST_NAME] or "attachment") + ending


def files_of(agent_submissions: Iterable[AgentSubmission]) -> Files:
    """The files that some submissions name, by agent and id; what is not the agent's own is left out."""
    named = {
        (agent_submission.agent, pk)
        for agent_submission in agent_submissions
        for item in agent_submission.submission.items
        for pk in item.attachments
    }
    ids = {pk: parsed_id for _, pk in named if (parsed_id := _uuid(pk))}
    if not ids:
        return NO_FILES
    stored = Attachment.objects.filter(pk__in=ids.values())
    records: dict[tuple[UUID, UUID], FileRecord] = {
        (attachment.agent_id, attachment.pk): {
            "id": str(attachment.pk),
            "name": attachment.name,
            "media_type": attachment.media_type,
            "size": attachment.size,
            "digest": attachment.digest,
        }
        for attachment in stored.defer("content")
    }
    return {(agent, pk): records[key] for agent, pk in named if pk in ids and (key := (agent, ids[pk])) in records}


def faults_of(agent_submission: AgentSubmission, files: Files) -> list[Fault]:
    """What is wrong with the files that an item names; another agent's file counts as unknown."""
    return [
        Fault(f"/items/{index}/attachments/{number}", "There is no such attachment.")
        for index, item in enumerate(agent_submission.submission.items)
        for number, pk in enumerate(item.attachments)
        if (agent_submission.agent, pk) not in files
    ]


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
