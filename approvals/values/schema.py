"""What an action's arguments may be, and the one form of them that is digested, decided and executed.

Canonical form: RFC 8785. What PostgreSQL's jsonb would not give back exactly (numbers from 2^53, NaN, NUL, lone
surrogates) is refused before it is stored, or the digest of the stored arguments would not be the one decided.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn, TypeAlias

import jsonschema_rs
import rfc8785

from approvals.values import characters
from approvals.values.canonical import written

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

DEEPEST = 32
LONGEST_HEADLINE = 300
MOST_FAULTS = 50
_LIMIT = 2**53
_LONGEST_PART = 120
_LONGEST_LIST = 5
_FIELD = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong and where: a JSON pointer ("" is the whole), a sentence, the schema's keyword that refused it."""

    pointer: str
    message: str
    keyword: str = field(default="", compare=False)


class NotCanonical(ValueError):
    """The value has no canonical form, or none that survives being stored."""


class BadSchema(ValueError):
    """The JSON Schema cannot be used; `faults` say why."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = tuple(faults)


class Validator:
    """A compiled JSON Schema. Compiling is the slow part; a policy compiles each once."""

    def __init__(
        self,
        schema: Mapping[str, Json],
        *,
        pattern_size: int | None = None,
        formats: Mapping[str, Callable[[str], bool]] | None = None,
    ) -> None:
        """`pattern_size` are the bytes that a compiled pattern may have; `formats` are formats of one's own.

        Raises BadSchema: not a schema, a reference that leaves it, a pattern that is not linear, or too large.
        """
        try:
            self._compiled = jsonschema_rs.validator_for(
                dict(schema),
                validate_formats=True,
                formats=dict(formats or {}),
                mask="The value",  # messages name the fault, not the agent's content
                retriever=_refuse,
                # Linear time; look-around and back-references do not compile.
                pattern_options=jsonschema_rs.RegexOptions(size_limit=pattern_size),
            )
        except jsonschema_rs.ValidationError as error:
            raise BadSchema([Fault(pointer_of(error.instance_path), _brief(error.message))]) from error
        except (jsonschema_rs.ReferencingError, ValueError, RecursionError) as error:
            raise BadSchema([Fault("", _brief(str(error)))]) from error

    def check(self, value: Json) -> list[Fault]:
        """All that is wrong with the value, at most fifty faults; a missing or unknown field is pointed at itself."""
        # The compiled validator reads NaN as null and cannot encode a lone surrogate: look before it does.
        faults = storable(value)
        if faults:
            return faults
        for error in self._compiled.iter_errors(value):
            faults.extend(_faults_of(error))
            if len(faults) >= MOST_FAULTS:
                break
        return faults[:MOST_FAULTS]

    def first(self, value: Json) -> list[Fault]:
        """The first thing that is wrong with a value that can be stored. `check` describes all before it shows any,
        which of a large value against a wide schema takes gigabytes."""
        try:
            self._compiled.validate(value)
        except jsonschema_rs.ValidationError as error:
            return list(_faults_of(error))
        return []


def check(schema: Mapping[str, Json], value: Json) -> list[Fault]:
    """Validate against a schema used once, such as a question's. Raises BadSchema."""
    return Validator(schema).check(value)


def check_schema(schema: Json) -> list[Fault]:
    """What keeps a JSON value from being the schema of an action type's arguments. Empty: nothing."""
    if not isinstance(schema, Mapping):
        return [Fault("", "A JSON Schema is an object.")]
    faults = storable(schema)
    if faults:
        return faults
    try:
        Validator(schema)
    except BadSchema as error:
        return list(error.faults)
    return []


def storable(value: Json) -> list[Fault]:
    """What in a JSON value would not come back from the database as it went in, or is nested too deep.

    A number from 2^53 is refused whether written as integer or as float: jsonb gives 1e22 back as an integer, which
    then has another canonical form, or none.
    """
    if _is_storable(value, 0):
        return []
    faults: list[Fault] = []
    waiting: list[tuple[tuple[str | int, ...], Json]] = [((), value)]
    while waiting and len(faults) < MOST_FAULTS:
        path, here = waiting.pop()
        problem = _problem(here, depth=len(path))
        if problem:
            faults.append(Fault(pointer_of(path), problem))
        elif isinstance(here, Mapping):
            waiting.extend(((*path, key), item) for key, item in reversed(list(here.items())))
        elif isinstance(here, Sequence) and not isinstance(here, str):
            waiting.extend(((*path, index), here[index]) for index in reversed(range(len(here))))
    return faults


def canonical(value: Json) -> bytes:
    """The canonical form of RFC 8785 (UTF-8). Raises NotCanonical for what has none, such as NaN or 2^53."""
    try:
        return written(value)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as error:
        raise NotCanonical(_brief(str(error))) from error


def digest_of(value: Json) -> str:
    """SHA-256 of the canonical form: "sha256:" and 64 hexadecimal digits. Raises NotCanonical."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


def action_digest(
    *, agent: str, action: str, schema_version: int, args: Json, subject: str, attachments: Sequence[str] = ()
) -> str:
    """The digest of what will execute: who runs which action, of which schema version, with what, concerning whom.

    `attachments` are the digests of the files beside it, in the agent's order; without any they are not mentioned.
    """
    content: dict[str, Json] = {
        "agent": agent,
        "action": action,
        "schema_version": schema_version,
        "args": args,
        "subject": subject,
    }
    if attachments:
        content["attachments"] = list(attachments)
    return digest_of(content)


def item_digest(
    *,
    item_type: str,
    agent: str,
    action: str,
    schema_version: int,
    args: Json,
    prompt: str,
    response_schema: Mapping[str, Json],
    steps: Sequence[Mapping[str, Json]],
    subject: str,
    attachments: Sequence[str],
) -> str:
    """The digest of what an approval decides: of an action; of a question's words; of a plan's steps."""
    if item_type == "question":
        args = {"prompt": prompt, "response_schema": dict(response_schema)}
    elif item_type == "plan":
        args = {"steps": [dict(step) for step in steps]}
    return action_digest(
        agent=agent, action=action, schema_version=schema_version, args=args, subject=subject, attachments=attachments
    )


def pick(args: Json, path: str, default: Json = None) -> Json:
    """The value at a dotted path (`customer.id`, `lines.0.sku`) or JSON pointer (`/customer/id`), else the default."""
    exists, value = _find(args, path)
    return value if exists else default


def headline(template: str, args: Json) -> str:
    """Fill {path} from the arguments, on one line of at most 300 characters, every character visible.

    A missing field shows as "?", a list as "2 recipients: a, b". Values are not templates: braces in them stay.
    """
    return _clip(_FIELD.sub(lambda match: _shown(args, match.group(1).strip()), template), LONGEST_HEADLINE)


def pointer_of(path: Sequence[str | int]) -> str:
    """A path as JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"a schema may not refer to {uri}")


def _is_storable(value: Json, depth: int) -> bool:
    """What `storable` finds nothing wrong with, told without keeping track of where it stands: all but a few."""
    if depth > DEEPEST:
        return False
    if isinstance(value, dict):
        return not any(_text_problem(key) or not _is_storable(value[key], depth + 1) for key in value)
    if isinstance(value, list | tuple):
        return all(_is_storable(one, depth + 1) for one in value)
    return not _problem(value, depth=depth)


def _problem(value: Json, *, depth: int) -> str:
    if depth > DEEPEST:
        return f"Nested deeper than {DEEPEST} levels."
    if isinstance(value, str):
        return _text_problem(value)
    if isinstance(value, bool):
        return ""
    if isinstance(value, float) and not math.isfinite(value):
        return "Not a finite number."
    if isinstance(value, int | float) and abs(value) >= _LIMIT:
        return "A number of 2^53 or more; send it as a string."
    if isinstance(value, Mapping):
        return next(filter(None, (_text_problem(key) for key in value)), "")
    return ""


def _text_problem(text: str) -> str:
    if "\x00" in text:
        return "Contains the character NUL."
    # Only text outside the Basic Multilingual Plane's ordinary part can be unencodable; ASCII answers at once.
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return "Contains half of a surrogate pair."
    return ""


def _faults_of(error: jsonschema_rs.ValidationError) -> Iterator[Fault]:
    kind = error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        yield Fault(pointer_of([*error.instance_path, str(kind.property)]), "This field is required.", "required")
    elif isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties):
        for name in kind.unexpected:
            yield Fault(pointer_of([*error.instance_path, name]), "This field is not known.", "additionalProperties")
    else:
        yield Fault(pointer_of(error.instance_path), _brief(error.message), kind.name)


def _brief(message: str) -> str:
    return _clip(characters.plain(message.partition("\n")[0]), 300)


def _clip(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _find(args: Json, path: str) -> tuple[bool, Json]:
    if path.startswith("/"):
        parts = [part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/")]
    else:
        parts = path.split(".")
    here = args
    for part in parts:
        if isinstance(here, Mapping) and part in here:
            here = here[part]
        elif isinstance(here, list | tuple) and part.isdecimal() and len(part) < 6 and int(part) < len(here):
            here = here[int(part)]
        else:
            return False, None
    return True, here


def _shown(args: Json, path: str) -> str:
    exists, value = _find(args, path)
    if not exists:
        return "?"
    if isinstance(value, list | tuple):
        return _listed(value, noun=re.split(r"[./]", path)[-1])
    return _clip(_word(value), _LONGEST_PART)


def _listed(values: Sequence[Json], *, noun: str) -> str:
    if not values:
        return f"no {noun}"
    shown = ", ".join(_clip(_word(value), 60) for value in values[:_LONGEST_LIST])
    if len(values) > _LONGEST_LIST:
        shown += f" and {len(values) - _LONGEST_LIST} more"
    return f"{len(values)} {noun}: {shown}" if len(values) > 1 else shown


def _word(value: Json) -> str:
    if isinstance(value, str):
        return characters.plain(value)
    if isinstance(value, Mapping):
        for name in ("title", "name", "label", "id"):
            if isinstance(value.get(name), str):
                return _word(value[name])
    try:
        return characters.plain(canonical(value).decode())
    except NotCanonical:
        return "?"
