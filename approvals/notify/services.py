"""The services that people can be told by (apprise): which of them, where their addresses may lead, and sending.

An address is written by a person, so it may lead anywhere. Only services of a list are taken, with parameters of a
list (some would read files of this machine), and while something is sent no name resolves to a private address.
"""

import logging
import re
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from types import ModuleType
from typing import TYPE_CHECKING, Literal, TypeAlias
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from approvals.notify.addresses import is_public

if TYPE_CHECKING:
    from apprise import NotifyBase

PATIENCE = 15.0  # seconds for one message, whatever the service does meanwhile
LONGEST = 2000

# By apprise's names. What writes files, runs programs or talks to this machine's desktop is in no list.
ALLOWED = frozenset({
    "discord", "gchat", "googlechat", "gotify", "gotifys", "json", "jsons", "mailto", "mailtos", "matrix",
    "matrixs", "mattermost", "mmost", "mmosts", "msteams", "ntfy", "ntfys", "opsgenie", "pagerduty", "pbul",
    "pover", "rocket", "rockets", "signal", "signals", "slack", "teams", "telegram", "tgram", "twilio", "webex",
    "wxteams", "workflow", "workflows", "zulip",
})  # fmt: skip
# Those that go to a host of the person's choosing, and not to the service's own.
_HOSTED = frozenset({"gotify", "json", "matrix", "mmost", "ntfy", "rocket", "signal"})
_AT_HOME = frozenset({"localhost", "local", "internal", "lan", "home"})  # endings of names that are never public
_PARAMETERS = frozenset({
    "to", "from", "name", "smtp", "user", "pass", "mode", "priority", "sound", "tags", "token", "region", "id",
    "workflow", "signature", "sig", "sp", "sv", "api-version", "cc", "bcc", "channel", "thread", "v", "version",
    "tz", "format", "group", "source", "component", "class", "click",
})  # fmt: skip


class Unusable(Exception):
    """Nobody can be told by this address; the sentence says why, and never repeats a secret of it."""


class PrivateAddress(OSError):
    """A name leads into this machine's own network."""


@dataclass(frozen=True, slots=True)
class Service:
    """What an address is: the service's short name, and what people call it."""

    scheme: str
    name: str


def read(url: str) -> Service:
    """Which service an address is of. Raises Unusable."""
    return _service(_plugin(url))


def send(url: str, title: str, text: str) -> None:
    """Send one message, within PATIENCE. Raises Unusable with what went wrong, without the address's secrets."""
    plugin = _plugin(url)
    messages: list[str] = []

    def work() -> bool:
        with _internet_only(messages), _collecting_log(messages):
            return bool(plugin.notify(body=text, title=title))

    done = _within(PATIENCE, work)
    if done is None:
        raise Unusable(_("No answer within %(s)d seconds.") % {"s": PATIENCE})
    if not done:
        raise Unusable(_scrubbed(messages[0], url) if messages else _("The service did not take it."))


# --- Addresses


def _plugin(url: str) -> "NotifyBase":
    if len(url) > LONGEST or re.search(r"[^\x21-\x7e]|\\", url):
        raise Unusable(_("Write the address in plain characters, without spaces."))
    scheme = url.partition("://")[0].lower()
    apprise = _apprise()
    asset = apprise.AppriseAsset(
        app_id="Assent", app_desc="Assent", app_url=settings.ASSENT_BASE_URL, image_url_mask="", image_url_logo="",
        secure_logging=True,
    )  # fmt: skip
    if scheme not in ALLOWED | {"https"}:
        raise Unusable(_unknown(scheme))
    _check_parameters(url)
    made = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    if made is None:
        if scheme == "https":
            raise Unusable(_("This is the address of no known service. Paste the one that the service shows you."))
        raise Unusable(_("This address lacks something that the service needs: paste it whole."))
    if _service(made).scheme not in ALLOWED:
        raise Unusable(_unknown(scheme))
    _check_host(made)
    return made  # type: ignore[no-any-return]  # apprise is typed by halves


def _unknown(scheme: str) -> str:
    message = _(
        "“%(scheme)s” is no service that people can be told by here. Give the address of one that is: mailto://, "
        "slack://, msteams://, pagerduty://, ntfys:// or jsons://, for example."
    )
    return message % {"scheme": scheme[:20]}


def _check_parameters(url: str) -> None:
    scheme = url.partition("://")[0].lower()
    for name, _value in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        if name.lower() not in _PARAMETERS and not (name.startswith((" ", "+")) and scheme in {"json", "jsons"}):
            raise Unusable(_("The parameter “%(name)s” is not taken here: leave it out.") % {"name": name[:40]})


def _service(made: "NotifyBase") -> Service:
    schemes: list[str] = []
    for protocol in (made.protocol, made.secure_protocol):
        schemes += [protocol] if isinstance(protocol, str) else list(protocol or ())
    return Service(schemes[0] if schemes else "", str(made.service_name))


def _check_host(made: "NotifyBase") -> None:
    """What can be said of the address before it is used: no plain http, no private address spelled out."""
    host, port = str(made.host or ""), made.port
    if _is_excepted(host, port):
        return
    if _service(made).scheme in _HOSTED and not made.secure and not _is_cloud(made):
        raise Unusable(_("Only https is allowed: write %(scheme)ss:// instead.") % {"scheme": _service(made).scheme})
    try:
        private = not is_public(ip_address(host.strip("[]")))
    except ValueError:
        private = host.lower().rstrip(".").rpartition(".")[2] in _AT_HOME
    if private:
        message = _(
            "%(host)s is not an address of the internet. Give a public one, or have this one named in "
            "ASSENT_TELL_PRIVATE."
        )
        raise Unusable(message % {"host": host})


def _is_cloud(made: "NotifyBase") -> bool:
    return getattr(made, "mode", "") == "cloud"  # ntfy's own service, which it reaches by https


def _is_excepted(host: str, port: object) -> bool:
    """Named in ASSENT_TELL_PRIVATE, as `host` or `host:port`."""
    return not {host, f"{host}:{port}"}.isdisjoint(settings.ASSENT_TELL_PRIVATE)


# --- Sending


_refusals: ContextVar[list[str] | None] = ContextVar("refusals", default=None)


@contextmanager
def _internet_only(messages: list[str]) -> Iterator[None]:
    """While this lasts, in this thread, nothing leads into a private network; what would goes into `messages`.

    apprise opens its connections by requests and smtplib, which both ask `socket.getaddrinfo` and connect to what it
    answers, after every redirect, too: there is no later moment at which a name could mean something else.
    """
    _install_guard()
    token = _refusals.set(messages)
    try:
        yield
    finally:
        _refusals.reset(token)


_plain = socket.getaddrinfo
# Family, type, protocol, name, and host and port as the family writes them.
Address: TypeAlias = (
    tuple[Literal[socket.AddressFamily.AF_INET], socket.SocketKind, int, str, tuple[str, int]]
    | tuple[
        Literal[socket.AddressFamily.AF_INET6],
        socket.SocketKind,
        int,
        str,
        tuple[str, int, int, int] | tuple[int, bytes],
    ]
)


@cache
def _install_guard() -> None:
    def getaddrinfo(
        host: bytes | str | None, port: bytes | str | int | None, *args: int, **named: int
    ) -> list[Address]:
        addresses = _plain(host, port, *args, **named)
        refusals = _refusals.get()
        if refusals is not None:
            name = host.decode() if isinstance(host, bytes) else str(host)
            for *_rest, socket_address in addresses:
                if not (_is_excepted(name, port) or is_public(ip_address(str(socket_address[0]).partition("%")[0]))):
                    refusals.append(_("%(host)s is not an address of the internet.") % {"host": name})
                    raise PrivateAddress(refusals[-1])
        return addresses

    socket.getaddrinfo = getaddrinfo


def _within(seconds: float, work: Callable[[], bool]) -> bool | None:
    """What `work` returns in a thread of its own; None when it takes longer, and is then left behind."""
    result: list[bool] = []

    def run() -> None:
        try:
            result.append(work())
        except Exception:  # a plugin's own surprise is a message that did not arrive
            logging.getLogger(__name__).exception("a notification service failed")
            result.append(False)

    thread = threading.Thread(target=copy_context().run, args=(run,), daemon=True)
    thread.start()
    thread.join(seconds)
    return result[0] if result else None


class _LogCollector(logging.Handler):
    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.messages, self.thread = messages, threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self.thread:
            self.messages.append(record.getMessage())


@contextmanager
def _collecting_log(messages: list[str]) -> Iterator[None]:
    """apprise says what went wrong to its log alone."""
    logger, ear = logging.getLogger("apprise"), _LogCollector(messages)
    logger.addHandler(ear)
    try:
        yield
    finally:
        logger.removeHandler(ear)


def _scrubbed(sentence: str, url: str) -> str:
    """The sentence without any part of the address that could be a secret: all but its service and host."""
    parts = urlsplit(url)
    secrets = [parts.username or "", parts.password or "", *parts.path.split("/")]
    secrets += [value for _name, value in parse_qsl(parts.query)]
    if parts.scheme not in _HOSTED | {f"{one}s" for one in _HOSTED} | {"https"}:
        secrets += [parts.netloc, parts.hostname or ""]  # there the host is a token
    for secret in sorted({form for one in secrets for form in (one, unquote(one), quote(one))}, key=len, reverse=True):
        if len(secret) > 3:
            sentence = re.sub(re.escape(secret), "…", sentence, flags=re.IGNORECASE)
    return sentence.strip()[:200]


@cache
def _apprise() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its plugins import what Python is about to drop
        import apprise

        apprise.Apprise.instantiate("json://localhost")  # loads them all
    return apprise
