"""Where a webhook may go: to the internet, and nowhere near this machine, its network or its metadata service.

The text of an address decides little, since a name may mean anything: what counts is what it resolves to at the
moment of connecting. `post` connects to exactly the addresses that `allowed` has passed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from approvals.notify.addresses import Address, is_public, literal_of

_PORTS = {"https": 443, "http": 80}
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")
# Such a name is an IPv4 address to inet_aton: 127.1, 0x7f000001, 2130706433, 0177.0.0.1.
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+)){0,3}\.?")


class Forbidden(Exception):
    """No webhook goes there; the sentence says why. `passing`: a name leads there, and may lead elsewhere later."""

    def __init__(self, sentence: str, *, passing: bool = False) -> None:
        super().__init__(sentence)
        self.passing = passing


@dataclass(frozen=True, slots=True)
class Target:
    """An address taken apart once; what is connected to and sent is made of these parts and never of the text."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_excepted(self) -> bool:
        """Named in ASSENT_WEBHOOK_PRIVATE, as `host` or `host:port`."""
        return not {self.host, f"{self.host}:{self.port}"}.isdisjoint(settings.ASSENT_WEBHOOK_PRIVATE)


def read(url: str) -> Target:
    """The parts of an address. Raises Forbidden for what is never allowed, whatever its name resolves to."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise Forbidden(_("This is not an address.")) from None
    if re.search(r"[^\x21-\x7e]|\\", url) or len(url) > 2000:
        raise Forbidden(_("Write the address in plain characters; international names as xn--…"))
    if parts.scheme not in _PORTS:
        raise Forbidden(_("Only https addresses are allowed."))
    if "@" in parts.netloc or parts.fragment:
        raise Forbidden(_("An address carries no user name, password or fragment."))
    target = Target(
        parts.scheme,
        host,
        _PORTS[parts.scheme] if port is None else port,
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )
    literal = literal_of(host)
    if "[" in parts.netloc and not isinstance(literal, IPv6Address):
        raise Forbidden(_("This is not the name of a host."))
    if literal is None and (not _NAME.fullmatch(host) or len(host) > 253):
        raise Forbidden(_("This is not the name of a host."))
    if target.is_excepted:
        return target
    if parts.scheme != "https":
        raise Forbidden(_("Only https addresses are allowed."))
    if target.port not in settings.ASSENT_WEBHOOK_PORTS:
        facts = {"port": target.port, "ports": ", ".join(map(str, settings.ASSENT_WEBHOOK_PORTS))}
        raise Forbidden(_("Port %(port)d is not allowed; these are: %(ports)s.") % facts)
    if literal is None and _NUMERIC.fullmatch(host):
        raise Forbidden(_("Write the numeric address in full, as 203.0.113.7."))
    if literal is not None and not is_public(literal):
        raise Forbidden(_("%(address)s is not an address of the internet.") % {"address": literal})
    return target


def allowed(target: Target, resolved: Sequence[str]) -> list[Address]:
    """What a name resolved to, as addresses to connect to. Raises Forbidden unless every one of them may be."""
    addresses = [ip_address(one) for one in resolved]
    for address in addresses:
        if not (target.is_excepted or is_public(address)):
            sentence = _("%(host)s is %(address)s, which is not an address of the internet.")
            raise Forbidden(sentence % {"host": target.host, "address": address}, passing=True)
    return addresses
