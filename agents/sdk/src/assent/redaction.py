"""Fields that do not leave this machine: a salted digest goes in their place, and the value comes back to run.

`"redacted:sha256:" + hex(SHA-256(salt + canonical JSON of the value))`. The salt is made of a secret that stays in the
journal, so that nobody can try out values against the digest; the same field of the same step has the same digest
after a restart, or its idempotency key would be another one.
"""

from __future__ import annotations

import copy
import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from assent.digest import canonical
from assent.errors import PermitRefused
from assent.shapes import Args, Json, Object

MARK = "redacted:sha256:"


@dataclass(slots=True)
class Redaction:
    """The named fields of one proposal. `paths` are dotted ("card.number", "cards.0.number") or JSON pointers."""

    paths: tuple[tuple[str, ...], ...] = ()
    salt: bytes = b""
    values: dict[tuple[tuple[str, ...], str], Json] = field(default_factory=dict)

    @classmethod
    def of(cls, paths: Collection[str], secret: bytes, *scope: str) -> Redaction:
        """For the fields at `paths`; the same secret and scope give the same digests."""
        salt = hmac.new(secret, canonical(list(scope)), hashlib.sha256).digest()
        return cls(tuple(steps(path) for path in paths), salt)

    def hide(self, args: Mapping[str, Json], *, all_there: bool = True) -> Args:
        """A copy with digests in place of the values. Raises ValueError for a field that is not there: a typing
        error in a path must not send the value."""
        hidden: Args = copy.deepcopy(dict(args))
        for path in self.paths:
            present, value = _at(hidden, path)
            if present:
                placeholder = MARK + self._digest(path, value)
                self.values[path, placeholder] = value
                _set(hidden, path, placeholder)
            elif all_there:
                raise ValueError(f"redact: there is no {'.'.join(path)} in the arguments.")
        return hidden

    def show(self, approved: Mapping[str, Json]) -> Args:
        """The approved arguments with the real values back in.

        Raises PermitRefused (redaction) where a digest stands that is none of ours: somebody moved or made it up.
        """
        shown: Args = copy.deepcopy(dict(approved))
        for path in self.paths:
            present, placeholder = _at(shown, path)
            if present and isinstance(placeholder, str) and (path, placeholder) in self.values:
                value = self.values[path, placeholder]
                if placeholder != MARK + self._digest(path, value):
                    raise _refused(path)
                _set(shown, path, value)
        left = first_placeholder(shown)
        if left:
            raise _refused(left)
        return shown

    def _digest(self, path: tuple[str, ...], value: Json) -> str:
        salt = hmac.new(self.salt, canonical(list(path)), hashlib.sha256).hexdigest()
        return hashlib.sha256(salt.encode() + canonical(value)).hexdigest()


def steps(path: str) -> tuple[str, ...]:
    """The names on the way to a field: of "card.number" or of "/card/number"."""
    if path.startswith("/"):
        return tuple(one.replace("~1", "/").replace("~0", "~") for one in path[1:].split("/"))
    return tuple(path.split("."))


def at(args: Json, path: str) -> tuple[bool, Json]:
    """Whether there is a field at a path, and its value."""
    return _at(args, steps(path))


def _at(value: Json, path: tuple[str, ...]) -> tuple[bool, Json]:
    for name in path:
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return False, None
    return True, value


def _set(args: Args, path: tuple[str, ...], value: Json) -> None:
    _, holder = _at(args, path[:-1])
    if isinstance(holder, dict):
        holder[path[-1]] = value
    elif isinstance(holder, list):
        holder[int(path[-1])] = value


def first_placeholder(value: Json, path: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The way to the first digest that still stands."""
    if isinstance(value, str):
        return path if value.startswith(MARK) else ()
    inside: Object = value if isinstance(value, Mapping) else {}
    if isinstance(value, list):
        inside = {str(place): one for place, one in enumerate(value)}
    for name, part in inside.items():
        marked_path = first_placeholder(part, (*path, name))
        if marked_path:
            return marked_path
    return ()


def _refused(path: tuple[str, ...]) -> PermitRefused:
    text = f"{'.'.join(path)}: what was approved is not the digest of the value that was redacted. Nothing runs."
    return PermitRefused(text, reason="redaction")
