"""The demo's cast: one person of every role, and the agents they look after."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import Group

from agents import keys
from agents.models import ApiKey
from approvals.models import Agent, Membership, User
from approvals.people import roles
from console.demo.keyring import Keyring


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to log in as. `reviews` pairs a tier with a domain, None for every domain."""

    username: str
    first_name: str
    last_name: str
    role: str
    reviews: tuple[tuple[int, str | None], ...] = ()
    manager: bool = False
    auditor: bool = False
    admin: bool = False
    superuser: bool = False


PEOPLE = (
    Person("chloe", "Chloé", "Martin", "senior reviewer (tier 3), every domain", ((3, None),)),
    Person(
        "hugo", "Hugo", "Brandt", "senior reviewer (tier 3), every domain: the second of two signatures", ((3, None),)
    ),
    Person(
        "ben",
        "Ben",
        "Adeyemi",
        "specialist reviewer (tier 2): commerce, finance, deployment, general",
        ((2, "commerce"), (2, "finance"), (2, "deployment"), (2, "general")),
    ),
    Person(
        "ana",
        "Ana",
        "Ruiz",
        "frontline reviewer (tier 1): commerce, finance, general",
        ((1, "commerce"), (1, "finance"), (1, "general")),
    ),
    Person("dora", "Dora", "Lindgren", "specialist reviewer (tier 2): clinical only", ((2, "clinical"),)),
    Person(
        "omar",
        "Omar",
        "Haddad",
        "owner of support-agent; reviews commerce (tier 2), but never what support-agent proposes",
        ((2, "commerce"),),
    ),
    Person("mia", "Mia", "Schneider", "manager: reports and calibration, decides nothing", manager=True),
    Person("otto", "Otto", "Virtanen", "auditor: the whole history, decides nothing", auditor=True),
    Person("ada", "Ada", "Nowak", "administrator: configures policy, tiers, people and keys", admin=True),
    Person("root", "Robin", "Okeke", "superuser: administers everything, sees no content", superuser=True),
)

AGENTS = {
    "support-agent": "Answers customers of the shop, proposes refunds",
    "procurement-agent": "Orders goods, plans shipments, pays suppliers",
    "treasury-agent": "Moves money between accounts and adjusts credit limits",
    "deploy-bot": "Releases and rolls back services",
    "ward-assistant": "Prepares orders and plans for the ward",
    "campus-assistant": "Helps teachers with material, messages and grades",
    "contract-assistant": "Drafts changes of contracts, offers and filings",
}
OWNER = {"support-agent": "omar"}


# What an administrator configures; what people decided is in none of these.
def ensure(keyring: Keyring) -> tuple[dict[str, User], dict[str, Agent]]:
    """Make who is missing, and a password, a token or a key where `keyring` has none that works; by name."""
    people = {person.username: _person(person, keyring) for person in PEOPLE}
    agents = {name: _agent(name, description) for name, description in AGENTS.items()}
    for name, owner in OWNER.items():
        agents[name].operators.add(people[owner])
    working = _working([*keyring.tokens.values(), *keyring.keys.values()])
    for username, user in people.items():
        if keyring.tokens.get(username) not in working:
            _, keyring.tokens[username] = keys.issue(user=user, name="demo")
    for name, agent in agents.items():
        if keyring.keys.get(name) not in working:
            _, keyring.keys[name] = keys.issue(agent=agent, name="demo")
    return people, agents


def _person(person: Person, keyring: Keyring) -> User:
    user, made = User.objects.get_or_create(
        username=person.username,
        defaults={
            "first_name": person.first_name,
            "last_name": person.last_name,
            "email": f"{person.username}@northwind.example",
            "is_manager": person.manager,
            "is_auditor": person.auditor,
            "is_staff": person.admin or person.superuser,
            "is_superuser": person.superuser,
        },
    )
    if made:
        for tier, domain in person.reviews:
            Membership.objects.get_or_create(user=user, tier_id=tier, domain_id=domain)
        if person.admin:
            user.groups.add(Group.objects.get(name=roles.ADMINS))
    if made or person.username not in keyring.passwords:
        keyring.passwords.setdefault(person.username, _password())
        user.password = _hashed(keyring.passwords[person.username])
        user.save(update_fields=["password"])
    return user


def _agent(name: str, description: str) -> Agent:
    agent, _ = Agent.objects.get_or_create(name=name, defaults={"description": description})
    return agent


def _working(secrets_: Iterable[str]) -> set[str]:
    """Those of these secrets that the database knows and has not revoked."""
    secrets_ = set(secrets_)
    prefixes = {secret[:12] for secret in secrets_}
    live = set(ApiKey.objects.filter(prefix__in=prefixes, revoked_at=None).values_list("prefix", flat=True))
    return {secret for secret in secrets_ if secret[:12] in live and keys.who(secret) is not None}


PASSWORD_WORDS = (
    *("amber", "anchor", "apple", "atlas", "birch", "bridge", "cedar", "cobalt", "comet", "copper", "coral", "delta"),
    *("ember", "falcon", "fern", "flint", "forest", "garnet", "glacier", "harbor", "hazel", "heron", "indigo"),
    *("island", "jasper", "juniper", "lagoon", "lantern", "lemon", "lilac", "linen", "lotus", "maple", "marble"),
    *("meadow", "mint", "nectar", "nickel", "ocean", "olive", "onyx", "orbit", "orchid", "pebble", "pepper", "pine"),
    *("plum", "poppy", "prairie", "quartz", "raven", "reef", "river", "saffron", "sage", "silver", "spruce", "summit"),
    *("thistle", "timber", "topaz", "tulip", "velvet", "walnut", "willow", "winter"),
)


def _password() -> str:
    """Easy to read out and to type: three words and two digits."""
    parts = [secrets.choice(PASSWORD_WORDS) for _ in range(3)]
    return "-".join([*parts, f"{secrets.randbelow(90) + 10}"])


def _hashed(password: str) -> str:
    """With few rounds: it stands in clear in demo.json, and nine slow hashes would be half of the first start.

    Django hashes it again, with all rounds, at the first login.
    """
    hasher = PBKDF2PasswordHasher()
    return hasher.encode(password, hasher.salt(), iterations=20_000)
