"""The few calls that the agent makes to Assent."""

import os
from collections.abc import Mapping
from typing import Any, Self

import httpx

from agents.demo.home import Home

AGENT = "support-agent"
Json = Any  # what came over the wire or goes over it


class Refused(Exception):
    """Assent understood the request and does not take it; asking again changes nothing."""


def address() -> str:
    """Where Assent answers."""
    return os.environ.get("ASSENT_URL", "http://127.0.0.1:8000").rstrip("/")


def headers(home: Home) -> dict[str, str]:
    """Read anew for every process: the key may have been rotated meanwhile."""
    return {"Authorization": f"Bearer {home.key(AGENT)}"}


class Assent:
    """A short-lived process's connection. Raises httpx.HTTPError for what may pass, Refused for what will not."""

    def __init__(self, home: Home) -> None:
        self._client = httpx.Client(base_url=f"{address()}/api/v1/", headers=headers(home), timeout=30, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def submit(self, request: Mapping[str, Json]) -> dict[str, Json]:
        """Ask; the same idempotency key gives the same request, also after the decision."""
        return self._settled(self._client.post("requests", json=request))

    def decision(self, request: str) -> dict[str, Json] | None:
        """The closed decision, or None while somebody still thinks."""
        answer = self._client.get(f"requests/{request}/decision", params={"wait": 0})
        return None if answer.status_code == httpx.codes.ACCEPTED else self._settled(answer)

    def report(self, request: str, item: str, result: str, detail: str) -> None:
        """Say what happened. The first report counts; an identical repeat is fine."""
        self._settled(
            self._client.post(f"requests/{request}/items/{item}/outcome", json={"result": result, "detail": detail})
        )

    def _settled(self, answer: httpx.Response) -> dict[str, Json]:
        if answer.status_code in {400, 403, 404, 409, 410, 413, 415, 422}:
            raise Refused(_problem(answer))
        answer.raise_for_status()
        document: dict[str, Json] = answer.json()
        return document


def _problem(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
        return f"{answer.status_code} {problem.get('title', '')}: {problem.get('detail', '')}".strip(" :")
    except ValueError:
        return str(answer.status_code)
