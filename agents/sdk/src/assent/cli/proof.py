"""`assent verify`: what a permit proves, and if it proves nothing, why."""

import argparse
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx

from assent import permits, tokens
from assent.cli.out import Out, argument_type, document, read
from assent.core import Settings
from assent.drive import lost
from assent.errors import PermitRefused, Unavailable
from assent.journal import Journal
from assent.screen import table, value, visible
from assent.shapes import Json

_JWKS = "/.well-known/jwks.json"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    verify = commands.add_parser("verify", parents=[common], help="check a permit, without using it")
    verify.add_argument("permit", type=argument_type(read), help="the permit, @file, or -")
    verify.add_argument(
        "--args", type=argument_type(document), metavar="JSON", help="the arguments that are about to run"
    )
    verify.add_argument("--action", help="the action that is about to run")
    verify.add_argument("--agent", help="whose permit it must be")
    verify.add_argument("--revision", type=int, default=0, help="the newest revision that you know of")
    where = verify.add_mutually_exclusive_group()
    where.add_argument("--jwks", type=argument_type(_from_file), metavar="FILE", help="the published keys, from a file")
    where.add_argument("--offline", action="store_true", help="with the keys that the state folder has kept")
    verify.set_defaults(run=_verify)


def _verify(options: argparse.Namespace, out: Out) -> int:
    checked: list[str] = []
    left: list[str] = []
    claims: dict[str, Json] = {}
    try:
        token = tokens.read(options.permit.strip())
        claims = dict(token.claims)
        checked.append("form")
        tokens.verify(token, _keys(options))
        checked.append("signature")
        tokens.in_time(token)
        checked.append("time")
        for name, expected in (("agent", options.agent), ("action", options.action)):
            (left if expected is None else checked).append(name)
        if options.args is None:
            left.append("arguments")
            _hold_without_arguments(options, token)
        else:
            permits.check_permit(
                token,
                agent=options.agent or token.text("aud"),
                args=options.args,
                action=options.action,
                revision=options.revision,
            )
            checked.append("arguments")
    except PermitRefused as no:
        refusal: dict[str, Json] = {"valid": False, "reason": no.reason, "text": str(no), "checked": list(checked)}
        out.tell({**refusal, "claims": claims}, f"NOT VALID ({no.reason}): {visible(str(no))}")
        return 1
    # Whether it was used already only the server knows, and asking is using.
    left.append("use")
    unchecked = ", ".join(_LEFT[name] for name in left)
    lines = [f"valid: {', '.join(checked)}", f"not checked: {unchecked}"]
    lines += [f"  {line}" for line in table([(visible(name), _claim(name, told)) for name, told in claims.items()])]
    out.tell({"valid": True, "checked": list(checked), "not_checked": list(left), "claims": claims}, *lines)
    return 0


_LEFT = {
    "agent": "whose it is (--agent)",
    "action": "for which action (--action)",
    "arguments": "for which arguments (--args)",
    "use": "whether it was used already (only using it tells)",
}


def _claim(name: str, claim: Json) -> str:
    """A claim as one reads it: a time as a time."""
    if name in ("iat", "exp") and isinstance(claim, int):
        return datetime.fromtimestamp(claim, UTC).isoformat().replace("+00:00", "Z")
    return value(claim)


def _hold_without_arguments(options: argparse.Namespace, token: tokens.Token) -> None:
    """What can be held against the permit without the arguments. Raises PermitRefused."""
    if options.agent is not None and token.text("aud") != options.agent:
        raise PermitRefused(f"The permit is for the agent {token.text('aud')!r}.", reason="audience")
    if options.action is not None and token.text("action") != options.action:
        raise PermitRefused(f"The permit is for {token.text('action')!r}.", reason="action")
    if token.number("revision") < options.revision:
        raise PermitRefused(f"The permit is for revision {token.number('revision')}.", reason="revision")


def _keys(options: argparse.Namespace) -> Mapping[str, str]:
    """The published keys by kid: from a file, from the state folder, or fetched. Raises Unavailable."""
    if options.jwks:
        return _keys_of_jwks(options.jwks)
    # No key is needed to read what is public.
    settings = Settings.resolve(
        None, os.environ.get("ASSENT_KEY") or "none", agent=None, state=None, timeout=30.0, patience=0.0
    )
    if options.offline:
        kept = Journal(settings.state).read("own", "keys")
        keys = kept.get("keys") if kept else None
        if not isinstance(keys, Mapping) or not keys:
            raise Unavailable(f"No keys are kept in {settings.state}: run once without --offline, or give --jwks.")
        return {str(kid): str(key) for kid, key in keys.items()}
    try:
        answer = httpx.get(settings.url + _JWKS, timeout=30, headers={"User-Agent": "assent-python/cli"})
        answer.raise_for_status()
        return _keys_of_jwks(answer.json())
    except (httpx.HTTPError, ValueError) as error:
        why = lost(error).text if isinstance(error, httpx.TransportError) else str(error)
        raise Unavailable(f"The published keys could not be fetched: {why}") from error


def _from_file(name: str) -> Json:
    jwks: Json = json.loads(Path(name).read_text())
    return jwks


def _keys_of_jwks(jwks: Json) -> Mapping[str, str]:
    listed = jwks.get("keys") if isinstance(jwks, Mapping) else None
    keys = [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
    return {str(one.get("kid")): str(one.get("x")) for one in keys if one.get("crv") == "Ed25519"}
