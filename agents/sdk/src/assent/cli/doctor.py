"""`assent doctor`: everything that must be right before an agent can ask, each line with what mends it."""

import argparse
import importlib.metadata
import importlib.util
import ipaddress
import os
import platform
import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from assent.cli.out import Out
from assent.core import API, Settings
from assent.drive import lost
from assent.errors import AssentError, BrokenJournal
from assent.files import made
from assent.journal import Journal
from assent.screen import visible
from assent.shapes import Json, Object
from assent.tokens import LEEWAY

GOOD, WARN, BAD = "ok", "look", "mend"
_MARKS = {GOOD: "✓", WARN: "!", BAD: "✗"}
_NEEDED = {"submit": "nothing can be proposed", "read": "no decision can be read", "execute": "no permit can be used"}
_SKEW = 5.0  # seconds between two clocks that are worth a look
_SOON = 14 * 86_400


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, and what mends it."""

    name: str
    state: str
    text: str
    mend: str = ""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", common: argparse.ArgumentParser) -> None:
    doctor = commands.add_parser("doctor", parents=[common], help="find out what is wrong, and what mends it")
    doctor.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace, out: Out) -> int:
    findings = list(examine())
    finding_documents: list[Json] = [
        {"name": one.name, "state": one.state, "text": one.text, "mend": one.mend or None} for one in findings
    ]
    lines = []
    for finding in findings:
        lines.append(f"{_MARKS[finding.state]} {finding.name.ljust(9)} {visible(finding.text)}")
        if finding.mend:
            lines.append(f"  {'→ '.rjust(11)}{finding.mend}")
    out.tell({"well": all(one.state != BAD for one in findings), "findings": finding_documents}, *lines)
    return 1 if any(one.state == BAD for one in findings) else 0


def examine() -> list[Finding]:
    """Look at everything that can be looked at; what rests on something broken is left out."""
    findings = [_versions(), _folder(), *_journal()]
    address = _address()
    findings.append(address)
    if address.state == BAD:
        return findings
    with httpx.Client(
        base_url=os.environ["ASSENT_URL"].strip().rstrip("/"), timeout=10, headers={"User-Agent": "assent-python/cli"}
    ) as http:
        keys = _published(http)
        findings.append(keys)
        if keys.name == "reach":
            return findings
        findings.append(_server(http))
        findings += _key(http, os.environ.get("ASSENT_KEY", "").strip())
        if token := os.environ.get("ASSENT_TOKEN", "").strip():
            findings.append(_token(http, token))
    return findings


def _versions() -> Finding:
    try:
        own = importlib.metadata.version("assent")
    except importlib.metadata.PackageNotFoundError:
        own = "from source"
    text = f"assent {own}, httpx {httpx.__version__}, Python {platform.python_version()}"
    if importlib.util.find_spec("cryptography") is None:
        mend = "pip install 'assent[verify]', to check signatures here, and to use standing approvals offline"
        return Finding("versions", WARN, f"{text}, without cryptography", mend)
    return Finding("versions", GOOD, f"{text}, cryptography {importlib.metadata.version('cryptography')}")


def _folder() -> Finding:
    try:
        journal = Journal(_state())
        folder = journal.folder
        with journal.alone():
            journal.put("own", "doctor", {"wrote": secrets.token_hex(4)})
            journal.read("own", "doctor")
    except AssentError as error:
        return Finding(
            "state", BAD, str(error), "set ASSENT_STATE to a folder that this user may write, on a local disk"
        )
    if folder.stat().st_mode & 0o077:
        return Finding("state", WARN, f"others may read {folder}, which holds arguments", f"chmod 700 {folder}")
    return Finding("state", GOOD, f"{folder} can be written")


def _state() -> Path:
    """The folder of the journal that a client with this environment has. Raises NotConfigured."""
    url = os.environ.get("ASSENT_URL", "").strip()
    url = url if url.startswith("http") else "https://nowhere.invalid"  # the address has a line of its own
    return Settings.resolve(
        url, None if os.environ.get("ASSENT_KEY") else "none", agent=None, state=None, timeout=1, patience=0
    ).state


def _journal() -> list[Finding]:
    """Set aside each file of the journal that cannot be read, so that what it is about can be asked for again."""
    try:
        journal = Journal(_state())
        return [_set_aside(journal.folder, error) for error in journal.broken()]
    except (AssentError, OSError) as error:
        return [Finding("journal", BAD, str(error), "move that file away by hand")]


def _set_aside(folder: Path, error: BrokenJournal) -> Finding:
    path = Path(error.path)
    aside = folder / "aside" / f"{path.parent.name}-{path.name}.{secrets.token_hex(3)}"
    made(aside.parent)
    content = path.read_bytes() if path.is_file() else b""
    path.rename(aside)
    text = f"{path} could not be read ({error.why}), and was set aside as {aside}. {_about(content)}"
    mend = "see in the history what became of it before you run it again: this machine does not know any more"
    return Finding("journal", WARN, text, mend)


def _about(content: bytes) -> str:
    """What a broken file was about, as far as it still says."""
    text = content.decode(errors="replace")
    parts = []
    for name in ("action", "run", "step", "request", "state"):
        match = re.search(rf'"{name}": "([^"\\]{{1,120}})', text)
        if match:
            parts.append(f"{name} {match[1]}")
    return f"It was about: {', '.join(parts)}." if parts else "It does not say what it was about."


def _address() -> Finding:
    url = os.environ.get("ASSENT_URL", "").strip()
    if not url:
        return Finding("address", BAD, "ASSENT_URL is not set", "export ASSENT_URL=https://assent.example.com")
    try:
        parts = urlsplit(url)
        host, scheme, _ = parts.hostname or "", parts.scheme, httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        host, scheme = "", ""
    if scheme not in ("http", "https") or not host:
        return Finding("address", BAD, f"ASSENT_URL is no address: {url}", "it begins with https:// and names a host")
    if parts.path.strip("/"):
        mend = "leave the path out: the library adds /api/v1/ itself"
        return Finding("address", BAD, f"ASSENT_URL has a path: {parts.path}", mend)
    if scheme == "http" and not _is_here(host):
        return Finding("address", WARN, f"{url} is not encrypted: the key can be read on the way", "use https://")
    return Finding("address", GOOD, url)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _published(http: httpx.Client) -> Finding:
    try:
        answer = http.get("/.well-known/jwks.json")
    except httpx.ConnectTimeout:
        return Finding("reach", BAD, "no answer within 10 s", "is a firewall or a proxy (HTTPS_PROXY) in between?")
    except httpx.TransportError as error:
        text = lost(error).text
        mend = "is the server running, and the name right?"
        if "CERTIFICATE" in text.upper():
            mend = "point SSL_CERT_FILE at the certificate of your own authority"
        return Finding("reach", BAD, f"out of reach: {text}", mend)
    keys = _object(answer).get("keys")
    if answer.status_code != 200 or not isinstance(keys, list):
        text = f"no published keys (status {answer.status_code})"
        return Finding("jwks", BAD, text, "is this Assent, and does the proxy let /.well-known/ through?")
    text = (
        f"{len(keys)} published key{'s' if len(keys) > 1 else ''}" if keys else "none yet: the first permit makes one"
    )
    return Finding("jwks", GOOD, text)


def _server(http: httpx.Client) -> Finding:
    """Which version answers; this library speaks version 1 of the API."""
    answer = _get(http, "openapi.json")
    info = _object(answer).get("info") if answer is not None else None
    if not isinstance(info, Mapping):
        return Finding("server", BAD, "version 1 of the API is not there", "is the server older than this library?")
    return Finding("server", GOOD, f"{info.get('title')} {info.get('version')}")


def _key(http: httpx.Client, key: str) -> list[Finding]:
    """Whose key it is, what it may do, and whether the two clocks agree."""
    mend = "make one in the admin under API keys, and set ASSENT_KEY to it (asn_…)"
    if not key:
        return [Finding("key", BAD, "ASSENT_KEY is not set", mend)]
    if key.startswith("asp_"):
        return [Finding("key", BAD, "ASSENT_KEY holds a personal token", f"that is ASSENT_TOKEN's; {mend}")]
    sent = time.time()
    answer = _get(http, "whoami", key)
    if answer is None or answer.status_code != 200:
        status = "no answer" if answer is None else f"status {answer.status_code}"
        return [Finding("key", BAD, f"the key does not count ({status}): unknown, revoked or over", mend)]
    identity = _object(answer)
    own = identity.get("key")
    about = own if isinstance(own, Mapping) else {}
    return [
        _whose(identity, about),
        _scopes(about.get("scopes")),
        _clock(identity.get("now"), sent, time.time()),
    ]


def _whose(identity: Object, about: Object) -> Finding:
    text = f"{about.get('prefix')}… of the agent {identity.get('agent')}"
    if identity.get("policy_version") is None:
        mend = "python manage.py prepare on the server publishes a first one"
        return Finding("key", BAD, f"{text}; the server has no policy yet", mend)
    ends = _moment(about.get("expires_at"))
    if ends is not None and ends - time.time() < _SOON:
        return Finding("key", WARN, f"{text}, over on {about.get('expires_at')}", "make a new one; both work meanwhile")
    return Finding("key", GOOD, text)


def _scopes(scopes: Json) -> Finding:
    held = [str(one) for one in scopes] if isinstance(scopes, list) else []
    missing = [name for name in _NEEDED if name not in held]
    if missing:
        text = f"{', '.join(held) or 'none'}; without {missing[0]} {_NEEDED[missing[0]]}"
        return Finding("scopes", WARN, text, "if this process needs it, give the key that scope in the admin")
    return Finding("scopes", GOOD, ", ".join(held))


def _clock(now: Json, sent: float, received: float) -> Finding:
    there = _moment(now)
    if there is None:
        return Finding(
            "clock", WARN, "the server does not say what time it is", "is the server older than this library?"
        )
    # Between the two is when the server looked at its clock.
    skew = max(sent - there, there - received, 0.0)
    text = f"{skew:.1f} s apart from the server's"
    mend = "let this machine's clock be set by NTP (timedatectl set-ntp true)"
    if skew > LEEWAY:
        return Finding("clock", BAD, f"{text}: permits look expired, or not yet valid", mend)
    return Finding("clock", WARN, text, mend) if skew > _SKEW else Finding("clock", GOOD, text)


def _token(http: httpx.Client, token: str) -> Finding:
    answer = _get(http, "inbox?limit=1", token)
    if answer is not None and answer.status_code == 200:
        return Finding("token", GOOD, "ASSENT_TOKEN is a person's, and may read the inbox")
    status = "no answer" if answer is None else f"status {answer.status_code}"
    mend = "make a personal token on your profile page, and set ASSENT_TOKEN to it (asp_…)"
    return Finding("token", BAD, f"ASSENT_TOKEN does not count ({status})", mend)


def _get(http: httpx.Client, path: str, key: str = "") -> httpx.Response | None:
    try:
        return http.get(API + path, headers={"Authorization": f"Bearer {key}"} if key else {})
    except (httpx.TransportError, ValueError):  # a key with a line break in it cannot be sent at all
        return None


def _object(answer: httpx.Response) -> Object:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _moment(text: Json) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp() if text else None
    except ValueError:
        return None
