"""A process that has webhooks go out: thousands behind an endpoint that is dead, a few to many that are not."""

import json
import os
import sys
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
django.setup()

from django.db import transaction  # noqa: E402  # needs the settings

from agents.webhooks import signing  # noqa: E402
from approvals.models import Agent, Delivery, Endpoint  # noqa: E402
from approvals.notify import outbox  # noqa: E402


def endpoint(agent: Agent, url: str) -> None:
    Endpoint.objects.create(agent=agent, url=url, secret=signing.make()[0])


def _wait_for_worker(agent: Agent) -> None:
    """The worker has only just been started: what waits for that is not what is measured."""
    outbox.publish([outbox.AgentMessage(agent.pk, outbox.DECIDED, {"n": -2})])
    end = time.monotonic() + 60
    while Delivery.objects.filter(status="due").exists() and time.monotonic() < end:
        time.sleep(0.1)


def main() -> None:
    job = json.loads(sys.stdin.readline())
    dead, *living = Agent.objects.order_by("name")[: job["endpoints"] + 1]
    endpoint(dead, f"http://127.0.0.1:{job['dead']}/")
    for number, agent in enumerate(living):
        endpoint(agent, f"http://127.0.0.1:{job['live']}/{number}")
    _wait_for_worker(living[0])
    outbox.publish([outbox.AgentMessage(dead.pk, outbox.DECIDED, {"n": -1}) for _ in range(job["queued"])])
    committed = {}
    for number in range(job["count"]):
        agent = living[number % len(living)]
        with transaction.atomic():
            outbox.publish([outbox.AgentMessage(agent.pk, outbox.DECIDED, {"n": number})])
        committed[str(number)] = time.monotonic()
        time.sleep(job["gap"])
    left = Delivery.objects.filter(endpoint__agent=dead, status="due").count()
    print(json.dumps({"committed": committed, "left": left}))


if __name__ == "__main__":
    main()
