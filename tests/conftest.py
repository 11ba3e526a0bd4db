"""The cast, the builders, and real servers.

Alice reviews commerce in tier 1, Bob in tier 2, Carol in tier 3; Mallory reviews another domain; Olga operates the
agent called robot. Mia manages, Otto audits, Ada administers, Root is superuser, Oscar has left.
"""

import functools
import os
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

import hypothesis
import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.db.backends.postgresql.creation import DatabaseCreation
from django.test import Client, TransactionTestCase

from agents.threads import Threads
from agents.writer import CoalescingWriter
from approvals.db import times
from approvals.decisions.card_version import load
from approvals.execution import permits
from approvals.models import (
    ActionType,
    Agent,
    Approval,
    Breaker,
    Currency,
    Domain,
    Membership,
    Tier,
    User,
)
from approvals.policy import snapshot
from approvals.policy.flag_reasons import Flag
from approvals.policy.messages import sentence
from approvals.policy.reasons import Reason, Row
from approvals.requests import intake
from approvals.requests.submission import Item, Receipt, Submission
from approvals.values.edits import Operation
from approvals.workload import expected_wait
from tests.browser import chromium, sign_in, web  # noqa: F401  # fixtures


def sentences_of(reasons: Iterable[Reason | Row]) -> list[str]:
    """What reasons say, as a routing has them or as a row keeps them."""
    return [sentence(reason if isinstance(reason, Reason) else Reason.of_json(reason)) for reason in reasons]


def flag_names(rows: Iterable[Row]) -> set[str]:
    """What the stored flags are listed by."""
    return {Flag.of_json(row).name for row in rows}


ROOT = Path(__file__).resolve().parents[1]
# Collecting and hashing static files is `up`'s business; in here they are taken from the tree.
settings.STORAGES = {
    **settings.STORAGES,
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# Twenty threads ask for a connection at once on a machine that is busy.
settings.DATABASES["default"]["OPTIONS"]["pool"]["timeout"] = 60

PASSWORD = "correct horse battery staple"
HASHED = make_password(PASSWORD)  # once: hashing is slow by design
REFUND = {
    "type": "object",
    "properties": {
        "order": {"type": "string", "title": "Order"},
        "amount": {"type": "number", "title": "Amount", "minimum": 0},
        "currency": {"type": "string", "title": "Currency", "enum": ["EUR", "USD", "GBP"]},
    },
    "required": ["order", "amount", "currency"],
    "additionalProperties": False,
}


def replace_arguments(args: object) -> tuple[Operation, ...]:
    """The edit that puts these in the place of all arguments."""
    return (Operation("replace", "", args),)


# What migrations and their signals fill, and no test changes.
KEPT = {"django_migrations", "django_content_type", "auth_permission", "auth_group", "auth_group_permissions"}


@functools.cache
def which_are_filled() -> str:
    """The query for the tables that hold a row."""
    tables = connection.introspection.django_table_names(only_existing=True)
    return " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")"  # noqa: S608
        for name in tables
        if name not in KEPT
    )


def empty_tables(case: TransactionTestCase) -> None:
    """Delete what the test has written, table by table: mostly a dozen of eighty, where Django truncates all of them.

    The append-only triggers refuse that to everybody else, foreign keys would want an order.
    """
    with connection.cursor() as cursor:
        cursor.execute(which_are_filled())
        deletions = [f'DELETE FROM "{name}"' for (name,) in cursor.fetchall()]  # noqa: S608
        cursor.execute("; ".join(["SET session_replication_role = replica", *deletions]))
        cursor.execute("SET session_replication_role = DEFAULT")


TransactionTestCase._fixture_teardown = empty_tables


def drop_with_connections(creation: DatabaseCreation, name: str, verbosity: int) -> None:
    """An event loop's executor keeps its connection to the end; what a test left behind was told of at that test."""
    with creation._nodb_cursor() as cursor:
        cursor.execute(f"DROP DATABASE {creation.connection.ops.quote_name(name)} WITH (FORCE)")


DatabaseCreation._destroy_test_db = drop_with_connections


# How long a machine takes to think of an example says nothing of the code.
# The same examples in every run: no test hangs on chance.
hypothesis.settings.register_profile(
    "house", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("house")


@pytest.fixture(autouse=True)
def no_signer() -> None:
    """A test's signing key and the pace of its queues go with its database; the process must not remember them."""
    permits.forget()
    expected_wait.forget()


@pytest.fixture(autouse=True)
def in_the_tests_transaction(request, monkeypatch) -> None:
    """Where only a test's own connection sees its rows, what has threads of its own works in the test's instead."""
    marker = request.node.get_closest_marker("django_db")
    if "transactional_db" in request.fixturenames or (marker and marker.kwargs.get("transaction")):
        return

    async def run(threads: Threads, work: Callable[..., object], *arguments: object) -> object:
        return await sync_to_async(work)(*arguments)

    async def put(writer: CoalescingWriter, work_item: object) -> object:
        [answer] = await sync_to_async(writer._work)([work_item])
        return answer

    monkeypatch.setattr(Threads, "run", run)
    monkeypatch.setattr(CoalescingWriter, "put", put)


# --- People


@pytest.fixture
def tiers(db) -> dict[int, Tier]:
    """Frontline answers in 15 minutes up to 5,000; specialists in an hour up to 50,000; seniors in four hours."""
    rows = [(3, "Senior", None, 240, None), (2, "Specialists", 50_000, 60, 3), (1, "Frontline", 5_000, 15, 2)]
    for level, name, ceiling, minutes, following in rows:
        Tier.objects.create(
            level=level,
            name=name,
            ceiling=ceiling,
            sla=timedelta(minutes=minutes),
            hold=timedelta(0),
            next_id=following,
        )
    for code, rate in (("EUR", 1), ("USD", "0.9"), ("GBP", "1.2")):
        Currency.objects.create(code=code, rate=rate)
    return {tier.level: tier for tier in Tier.objects.all()}


@pytest.fixture
def commerce(db) -> Domain:
    return Domain.objects.create(slug="commerce", name="Commerce")


@pytest.fixture
def clinical(db) -> Domain:
    return Domain.objects.create(slug="clinical", name="Clinical")


@pytest.fixture
def person(db) -> Callable[..., User]:
    """Make a person: person("alice", tier=1, domain=commerce, is_manager=…). The password is PASSWORD."""

    def make(username: str, *, tier: int | None = None, domain: Domain | None = None, **fields: object) -> User:
        user = User.objects.create(
            username=username,
            email=f"{username}@example.com",
            password=HASHED,
            **{"first_name": username.capitalize(), **fields},
        )
        if tier:
            Membership.objects.create(user=user, tier_id=tier, domain=domain)
        return user

    return make


@pytest.fixture
def alice(person, tiers, commerce) -> User:
    return person("alice", tier=1, domain=commerce)


@pytest.fixture
def bob(person, tiers, commerce) -> User:
    return person("bob", tier=2, domain=commerce)


@pytest.fixture
def carol(person, tiers, commerce) -> User:
    return person("carol", tier=3, domain=commerce)


@pytest.fixture
def mallory(person, tiers, clinical) -> User:
    return person("mallory", tier=3, domain=clinical)


@pytest.fixture
def olga(person, tiers, commerce, robot) -> User:
    olga = person("olga", tier=3, domain=commerce)
    robot.operators.add(olga)
    return olga


@pytest.fixture
def mia(person) -> User:
    return person("mia", is_manager=True)


@pytest.fixture
def otto(person) -> User:
    return person("otto", is_auditor=True)


@pytest.fixture
def ada(person) -> User:
    return person("ada", is_staff=True)


@pytest.fixture
def root(person) -> User:
    return person("root", is_staff=True, is_superuser=True)


@pytest.fixture
def oscar(person, tiers, commerce) -> User:
    return person("oscar", tier=3, domain=commerce, is_active=False)


@pytest.fixture
def as_() -> Callable[[User], Client]:
    """A browser in which this person is signed in."""

    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return signed_in


# --- Agents and policy


@pytest.fixture
def robot(db) -> Agent:
    return Agent.objects.create(name="robot")


@pytest.fixture
def action_type(tiers, commerce) -> Callable[..., ActionType]:
    """Make an action type and publish policy: action_type("refund", strategy="always", gate="soft" …)."""

    def make(name: str = "refund", **fields: object) -> ActionType:
        made = ActionType.objects.create(
            name=name,
            **{
                "title": name.capitalize(),
                "headline": name + " {amount} {currency} to order {order}",
                "domain": commerce,
                "schema": REFUND,
                "reversibility": "partial",
                "strategy": "always",
                "gate": "hard",
                "tier_id": 1,
                "level": 2,
                "value_path": "amount",
                "currency_path": "currency",
                "subject_path": "order",
                "subject_kind": "order",
                "expires_after": timedelta(hours=4),
                **fields,
            },
        )
        snapshot.publish(by=None, note=f"added {name}")
        return made

    return make


@pytest.fixture
def open_breaker(db) -> Callable[..., Breaker]:
    """Open the breaker of a pair, an agent or an action type: open_breaker(robot, refunds)."""

    def make(agent: Agent | None = None, action_type: ActionType | None = None, **fields: object) -> Breaker:
        now = times.now()
        return Breaker.objects.create(
            agent=agent, action_type=action_type, opened_at=now, trial_began_at=now, **{"why": "to be sure", **fields}
        )

    return make


@pytest.fixture
def refunds(action_type) -> ActionType:
    return action_type("refund")


@pytest.fixture
def propose(robot, refunds) -> Callable[..., Approval]:
    """Have robot propose a refund: propose(amount=420, key="…", timeout=timedelta(…), summary="…")."""

    def make(
        amount: float = 420,
        currency: str = "EUR",
        order: str = "456",
        *,
        action: str = "refund",
        args: object = None,
        agent: Agent = robot,
        items: tuple[Item, ...] | None = None,
        key: str | None = None,
        **fields: object,
    ) -> Approval:
        of_submission = {name: fields.pop(name) for name in list(fields) if name in Submission.__dataclass_fields__}
        proposed = args if args is not None else {"order": order, "amount": amount, "currency": currency}
        items = items or (Item(id="call_1", action=action, args=proposed, **fields),)
        submission = Submission(items=items, content_hash=f"sha256:{proposed!r}"[:71], key=key, **of_submission)
        [answer] = intake.submit(agent, [submission])
        if not isinstance(answer, Receipt):
            raise answer
        return load(answer.approvals[0].pk)

    return make


@pytest.fixture
def refund(propose) -> Approval:
    """A pending refund of 420 EUR in tier 1 of commerce."""
    return propose()


@pytest.fixture
def with_undo(tiers) -> timedelta:
    """Give every tier an undo window of five seconds; for approvals routed afterwards."""
    window = timedelta(seconds=5)
    Tier.objects.update(hold=window)
    snapshot.publish(by=None, note="undo window")
    return window


# --- Skips


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    skipped = len(terminalreporter.stats.get("skipped", []))
    if skipped:
        terminalreporter.section(f"{skipped} TESTS WERE SKIPPED; without Chromium the pages were not tried", red=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """In CI a skip is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("ASSENT_NO_SKIPS") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
