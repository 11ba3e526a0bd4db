"""The secrets that sign webhooks: kept under the installation's own, the earlier ones for as long as both are valid."""

import base64
import json
import secrets
from datetime import datetime, timedelta
from typing import TypedDict

from standardwebhooks import Webhook

from approvals.db import secret_box
from approvals.models import Agent

OVERLAP = timedelta(hours=24)
_BYTES = 32


class _Secret(TypedDict):
    secret: str
    until: str | None  # the present one has no end


def make() -> tuple[str, str]:
    """A first secret: as it is kept, and as it is shown once (`whsec_…`)."""
    return rotate("", now=None)


def rotate(kept: str, *, now: datetime | None, overlap: timedelta = OVERLAP) -> tuple[str, str]:
    """A new secret beside the present one, which goes on signing until the overlap ends; as `make`."""
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(_BYTES)).decode()
    present: list[_Secret] = [{"secret": secret, "until": None}]
    if now is not None:
        until = (now + overlap).isoformat()
        earlier = [one for one in _read(kept) if _valid(one, now)]
        present += [{"secret": one["secret"], "until": one["until"] or until} for one in earlier]
    return secret_box.seal_secret(json.dumps(present).encode()), secret


def ensure_callback_secret(agent: Agent) -> None:
    """See to it that an agent has a secret for its requests' callbacks; whoever is shown it is shown its successor."""
    Agent.objects.filter(pk=agent.pk, callback_secret="").update(callback_secret=make()[0])
    agent.refresh_from_db(fields=["callback_secret"])


def signatures(kept: str, *, id: str, body: str, now: datetime) -> str:
    """The header `webhook-signature`: one signature by each secret that is valid now, separated by blanks."""
    return " ".join(Webhook(one["secret"]).sign(id, now, body) for one in _read(kept) if _valid(one, now))


def overlaps_until(kept: str, *, now: datetime) -> datetime | None:
    """Until when an earlier secret signs as well; None when the present one signs alone."""
    ends = [datetime.fromisoformat(one["until"]) for one in _read(kept) if one["until"] and _valid(one, now)]
    return max(ends, default=None)


def _read(kept: str) -> list[_Secret]:
    if not kept:
        return []
    stored_secrets: list[_Secret] = json.loads(secret_box.open_secret(kept))
    return stored_secrets


def _valid(secret: _Secret, now: datetime) -> bool:
    return secret["until"] is None or datetime.fromisoformat(secret["until"]) > now
