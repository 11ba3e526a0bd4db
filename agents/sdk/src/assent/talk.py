"""Words both ways, files, leases: each a call with its answer."""

from __future__ import annotations

import json
import mimetypes
import os
import socket
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from urllib.parse import quote

from assent import options
from assent.core import API, Core
from assent.documents import request_of
from assent.flows import id_of, item_of
from assent.shapes import Args, Attachment, Decision, Json, Lease, Object, Request
from assent.wire import Call, Flow, exchange, on_disk


def lease(core: Core, request: Request | str, *, worker: str | None, seconds: int, release: bool) -> Flow[Lease]:
    terms: Args = {"worker": worker or worker_here()}
    terms |= {"release": True} if release else {"seconds": seconds}
    answer = (yield from core.post(f"requests/{quote(id_of(request))}/lease", terms)).json()
    return Lease(str(answer.get("worker", "")), str(answer.get("until") or ""))


def worker_here() -> str:
    """This process in words: machine and number."""
    return f"{socket.gethostname()}:{os.getpid()}"


def amend(core: Core, request: Request | str, *, item: str | None, changes: Mapping[str, Json]) -> Flow[Request]:
    options.amendment(changes, "amend")
    path = f"requests/{quote(id_of(request))}/items/{quote(item_of(request, item), safe='')}/amend"
    return request_of((yield from core.post(path, dict(changes))).json())


def cancel(core: Core, request: Request | str, *, reason: str) -> Flow[Request]:
    return request_of((yield from core.post(f"requests/{quote(id_of(request))}/cancel", {"reason": reason})).json())


def answer(core: Core, question: str, text: str) -> Flow[None]:
    yield from core.post(f"questions/{quote(question)}/answer", {"answer": text})


def attach(core: Core, path: Path, *, media_type: str | None) -> Flow[Attachment]:
    content = yield from on_disk(path.read_bytes)
    kind = media_type or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    call = Call(
        "POST", API + "attachments", content=content, params={"name": path.name}, headers={"Content-Type": kind}
    )
    document = (yield from exchange(call, patience=core.settings.patience)).json()
    size = document.get("size")
    return Attachment(
        id=str(document.get("id", "")),
        name=str(document.get("name", "")),
        media_type=str(document.get("media_type", "")),
        size=size if isinstance(size, int) else 0,
        digest=str(document.get("digest", "")),
    )


def incident(
    core: Core, request: Request | Decision | str, severity: str, text: str, *, item: str | None, cost: Decimal | str
) -> Flow[None]:
    report = {"request": id_of(request), "item": item_of(request, item), "severity": severity, "text": text}
    if cost != "":
        report["cost"] = str(cost)
    yield from core.post("incidents", report)


def feedback(core: Core, action: str, limit: int, *, since: str = "") -> Flow[Sequence[Object]]:
    filters = {"action": action, "since": since, "limit": str(limit)}
    got = yield from core.get("feedback", {name: value for name, value in filters.items() if value})
    return [json.loads(line) for line in got.content.decode().splitlines() if line.strip()]
