"""How long routing one proposal takes: `python -m console.bench.routing N …` for pasts of N approvals each, as JSON.

A hundred rules, every signal, every flag that a type can ask for, each thing of which there is more than any other:
a busy agent, a customer and a letter that everything concerns, a run that never ends. Measured is all that intake asks
and computes between the checked submission and its rows.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "console.settings")
django.setup()

from django.db import connection  # noqa: E402  # the models need the applications

from approvals.db import times  # noqa: E402
from approvals.models import ActionType, Agent, Approval, Run, User  # noqa: E402
from approvals.policy import snapshot  # noqa: E402
from approvals.policy.precedent.flags import LABELS  # noqa: E402
from approvals.requests import intake  # noqa: E402
from approvals.requests.evaluation import evaluate_items  # noqa: E402
from approvals.requests.submission import AgentSubmission, Item, Receipt, RunRef, Submission  # noqa: E402
from approvals.values.schema import Json  # noqa: E402
from console.bench import past  # noqa: E402
from console.bench.load import percentile  # noqa: E402
from console.startup.terminal import Refused  # noqa: E402

ACTION = "bench_claim"
RULES = 100
TIMES = 400
RUN = "bench-endless"
LETTER = (
    "Dear {name},\n\nyour claim about order {order} has been looked at, and {amount} EUR go back to the card that you "
    "paid with within five working days. If the money has not arrived by then, please write to us and we will look "
    "into it at once. The broken part may be thrown away; nobody needs it any more.\n\nKind regards\nThe claims desk"
)


def prepare() -> None:
    """The action type with everything on, and its rules."""
    kind, _ = ActionType.objects.update_or_create(
        name=ACTION,
        defaults={
            "title": "Claim",
            "headline": "pay {amount} {currency} for order {order}",
            "domain_id": "general",
            "schema": {"type": "object"},
            "reversibility": "reversible",
            "strategy": "confidence",
            "gate": "hard",
            "tier_id": 1,
            "level": 2,
            "value_path": "amount",
            "currency_path": "currency",
            "subject_path": "order",
            "subject_kind": "order",
            "flags": list(LABELS),
            "baseline_path": "department",
            "frequency_path": "customer",
            "rejects_repeats": True,
            "most_attempts": 30,
        },
    )
    kind.rules.all().delete()
    for number in range(RULES):
        when = f'value > {10_000 + number}.0 && args.currency == "EUR" || args.department == "none-{number}"'
        kind.rules.create(name=f"bench {number}", expression=when, message="It is much.", effect="review")
    snapshot.publish(by=None, note="bench routing")


def submission(number: int, *, customer: str, run: str = "") -> Submission:
    """A claim with a letter in it."""
    order = f"new-{number}"
    args: Json = {
        "order": order,
        "amount": number % 300 + 0.25,
        "currency": "EUR",
        "department": str(number % 12),
        "customer": customer,
        "letter": LETTER.format(name=f"Ann{number}", order=order, amount=number % 300),
    }
    item = Item(
        id="call_1",
        action=ACTION,
        args=args,
        summary=f"Pay {number % 300}.25 EUR for order {order}.",
        signals={"stated_confidence": 0.9, "tool_validity": 0.9, "retrieval_relevance": 0.8},
    )
    return Submission((item,), content_hash=f"sha256:{number:064x}", run=RunRef(run) if run else None)


def extend(template: Approval, *, since: int, until: int) -> None:
    """Make the past that long."""
    others = list(Agent.objects.exclude(pk=template.agent_id).order_by("name").values_list("pk", flat=True)[:31])
    run, _ = Run.objects.get_or_create(agent_id=template.agent_id, key=RUN, defaults={"created_at": times.now()})
    by = User.objects.order_by("pk").values_list("pk", flat=True)[0]
    similarity_key = template.similarity_key
    past.extend_past(
        template, since=since, until=until, others=others, run=run.pk, similarity_key=similarity_key, by=by
    )


def template() -> Approval:
    """One that was really submitted; all others are like it."""
    agent = Agent.objects.get(name="bench-00")
    [answer] = intake.submit(agent, [submission(0, customer="hot", run=RUN)])
    if not isinstance(answer, Receipt):
        raise Refused(str(answer))
    return answer.approvals[0]


def measure(agent: UUID, **facts: str) -> dict[str, float]:
    """Milliseconds of routing one proposal after the other, the median and what 95 of 100 keep; and the queries."""
    policy = snapshot.current()
    took, queries = [], []
    for number in range(TIMES + 20):
        submissions = [AgentSubmission(agent, submission(number, **facts))]
        now = times.now()
        with _counted() as sent:
            start = time.perf_counter()
            evaluate_items(submissions, policy, now=now)
            took.append((time.perf_counter() - start) * 1000)
        queries.append(len(sent))
    took = took[20:]  # the first ones fill caches
    return {"p50": statistics.median(took), "p95": percentile(took, 0.95), "queries": max(queries)}


@contextmanager
def _counted() -> Iterator[list[str]]:
    sent: list[str] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        sent.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield sent


def main(sizes: list[int]) -> dict[str, dict[str, dict[str, float]]]:
    prepare()
    first = template()
    newcomer = Agent.objects.create(name=f"bench-newcomer-{time.monotonic_ns()}")
    timings_by_size, made = {}, 0
    for size in sizes:
        extend(first, since=made + 1, until=size)
        made = size
        timings_by_size[str(size)] = {
            "busy": measure(first.agent_id, customer="hot", run=RUN),
            "new": measure(newcomer.pk, customer="nobody"),
        }
    return timings_by_size


if __name__ == "__main__":
    print(json.dumps(main([int(size) for size in sys.argv[1:]])))
