"""Which IP addresses belong to the public internet.

The table has what IANA's registries of special-purpose addresses do not call globally reachable
(https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry, as of
July 2026; the test compares it with both). Python's `ipaddress` has such a table too, but one that
depends on the version of Python.
"""

from __future__ import annotations

import ipaddress
from functools import cache

_IPV4_NOT_PUBLIC = (
    "0.0.0.0/8",  # this network
    "10.0.0.0/8",  # private use
    "100.64.0.0/10",  # shared by customers of a provider
    "127.0.0.0/8",  # loopback
    "169.254.0.0/16",  # link-local, with the metadata services of most clouds
    "172.16.0.0/12",  # private use
    "192.0.0.0/24",  # IETF protocols; also the metadata service of a cloud
    "192.0.2.0/24",  # documentation
    "192.88.99.0/24",  # relays of 6to4, deprecated
    "192.168.0.0/16",  # private use
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and broadcast
    # Public by the registry, but answered inside one cloud only, for each machine of it.
    "168.63.129.16/32",  # Azure's WireServer
)

_IPV6_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that IANA has given out as global unicast so far; everything else is special or reserved."""

_IPV6_NOT_PUBLIC = (
    "2001::/23",  # IETF protocols, with Teredo, benchmarks and ORCHID
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4, which leads to an IPv4 address
    "3fff::/20",  # documentation
)

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""The third 32 bits of an address that ends in the IPv4 address of a machine (RFC 5214)."""


def is_public(address: str) -> bool:
    """Return whether a numeric IP address belongs to the public internet.

    An IPv6 address that contains an IPv4 address (mapped, NAT64, ISATAP) is public only if that one
    is. Raises `ValueError` for text that is no address.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _networks(_IPV4_NOT_PUBLIC))
    if ip.ipv4_mapped is not None:
        return is_public(str(ip.ipv4_mapped))
    number = int(ip)
    inner = str(ipaddress.IPv4Address(number & 0xFFFF_FFFF))
    if ip in _NAT64:
        return is_public(inner)
    if ip not in _IPV6_UNICAST or any(ip in network for network in _networks(_IPV6_NOT_PUBLIC)):
        return False
    return number >> 32 & 0xFFFF_FFFF not in _ISATAP or is_public(inner)


@cache
def _networks(
    blocks: tuple[str, ...],
) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(map(ipaddress.ip_network, blocks))
