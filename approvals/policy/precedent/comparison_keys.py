"""Keys by which a proposal is compared with earlier ones, computed on arrival and stored in indexed columns."""

import hashlib
from dataclasses import dataclass
from uuid import UUID

from approvals.policy.compiled_policy import TypePolicy
from approvals.policy.precedent.similarity import similarity_key
from approvals.values.schema import Json, canonical, pick

LONGEST = 200  # what the columns hold
_KEPT = 150


@dataclass(frozen=True, slots=True)
class Keys:
    """Whose usual value it counts for, what is counted when it comes again, what it is like. Empty: nothing."""

    baseline: str = ""
    count: str = ""
    similarity_key: str = ""


def keys_of(agent: UUID, type: TypePolicy, args: Json, subject: str) -> Keys:
    """The keys of an agent's proposal with these arguments; without a path of its own the subject is what is counted.

    Agent and type are in the similarity key, not beside it: no other index can then answer for it. With statistics
    from before an agent began, the planner took one that led through all its proposals, and a set of 500 took seconds.
    """
    naming = (type.currency_path, type.subject_path, type.baseline_path, type.frequency_path)
    return Keys(
        baseline=key_at(args, type.baseline_path),
        count=key_at(args, type.frequency_path) if type.frequency_path else subject,
        similarity_key=_of_agent(agent, type, similarity_key(args, value=type.value_path, naming=naming)),
    )


def _of_agent(agent: UUID, type: TypePolicy, fingerprint: str) -> str:
    return hashlib.sha256(f"{agent}/{type.name}/{fingerprint}".encode()).hexdigest() if fingerprint else ""


def key_at(args: Json, path: str) -> str:
    """`department:ops` for what stands at the path; nothing where nothing does. Two long values stay two."""
    value = pick(args, path) if path else None
    if value is None or value == "":
        return ""
    name = path.replace("/", ".").rsplit(".", 1)[-1]
    key = f"{name}:{value.strip() if isinstance(value, str) else canonical(value).decode()}"
    if len(key) <= LONGEST:
        return key
    return f"{key[:_KEPT]}…{hashlib.sha256(key.encode()).hexdigest()[:32]}"
