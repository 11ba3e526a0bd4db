"""Which addresses are of the internet, and nowhere near this machine, its network or its metadata service.

Whatever leaves the house at somebody's wish, webhooks and notifications, is held to these.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

# The ways to write an IPv4 address as an IPv6 one that still reach it: mapped, translated (RFC 6052).
_CARRIERS = (ip_network("::ffff:0:0/96"), ip_network("64:ff9b::/96"))
# What Python's registry counts as global, or did in one of its versions, and is not the internet.
_NEVER = (
    ip_network("0.0.0.0/8"),
    ip_network("100.64.0.0/10"),
    ip_network("168.63.129.16/32"),  # Azure's host
    ip_network("192.0.0.0/24"),
    ip_network("192.88.99.0/24"),
    ip_network("198.18.0.0/15"),
    ip_network("224.0.0.0/4"),
    ip_network("240.0.0.0/4"),
    ip_network("::/96"),  # IPv4-compatible
    ip_network("::ffff:0:0:0/96"),  # IPv4-translated, in the old way
    ip_network("64:ff9b:1::/48"),  # translated, local use
    ip_network("100::/64"),
    ip_network("2001::/23"),  # Teredo, benchmarks, ORCHID
    ip_network("2001:db8::/32"),
    ip_network("2002::/16"),  # 6to4
    ip_network("3fff::/20"),
    ip_network("5f00::/16"),
    ip_network("fc00::/7"),
    ip_network("fe80::/10"),
    ip_network("fec0::/10"),
    ip_network("ff00::/8"),
)


def is_public(address: Address) -> bool:
    """Whether an address is one of the internet's, in whatever notation it hides another."""
    if isinstance(address, IPv6Address):
        if address.scope_id:
            return False
        for carrier in _CARRIERS:
            if address in carrier:
                return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
    if any(address in network for network in _NEVER if network.version == address.version):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def literal_of(host: str) -> Address | None:
    """The address that a host is, in the one notation that everybody reads the same."""
    try:
        return ip_address(host)
    except ValueError:
        return None
