"""By what a proposal is compared with earlier ones. Computed once when it arrives, and stored in indexed columns."""

import hashlib
from dataclasses import dataclass

from approvals.policy.likeness import likeness
from approvals.policy.schema import Json, canonical, pick
from approvals.policy.snapshot import TypePolicy

LONGEST = 200  # what the columns hold
_KEPT = 150


@dataclass(frozen=True, slots=True)
class Keys:
    """Whose usual value it counts for, what is counted when it comes again, what it is like. Empty: nothing."""

    usual: str = ""
    count: str = ""
    likeness: str = ""


def keys_of(type: TypePolicy, args: Json, about: str) -> Keys:
    """The keys of a proposal with these arguments; without a path of its own the subject is what is counted."""
    naming = (type.currency_path, type.subject_path, type.usual_path, type.frequency_path)
    return Keys(
        usual=key_at(args, type.usual_path),
        count=key_at(args, type.frequency_path) if type.frequency_path else about,
        likeness=likeness(args, value=type.value_path, naming=naming),
    )


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
