"""Which IP addresses are public, against IANA's registries of special-purpose addresses.

`iana/*.csv` are the columns of these registries that matter here, as of July 2026:
https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry.
"""

from __future__ import annotations

import csv
import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vecsim.fetch import is_public

ROWS = [
    row
    for name in ("ipv4.csv", "ipv6.csv")
    for row in csv.DictReader((Path(__file__).parent / "iana" / name).read_text().splitlines())
]

REFUSED_AS_A_WHOLE = [
    ipaddress.ip_network(block) for block in ("192.0.0.0/24", "2001::/23", "::ffff:0:0/96")
]
"""Blocks of protocols, in which IANA lists single reachable addresses that serve no pictures, and
mapped addresses, which count as the IPv4 address in them."""

METADATA = (
    "169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200", "192.0.0.192",
    "168.63.129.16", "::ffff:168.63.129.16", "64:ff9b::a83f:8110",
)  # fmt: skip
"""Where providers of cloud machines answer with credentials or settings of the machine."""


def addresses_in(block: str) -> list[str]:
    """The first, the last and an inner address of a block."""
    network = ipaddress.ip_network(block)
    last = int(network.broadcast_address)
    inner = (int(network.network_address) + last) // 2
    return [str(network[0]), str(network.broadcast_address), str(type(network[0])(inner))]


@pytest.mark.parametrize("row", ROWS, ids=[row["Address Block"] for row in ROWS])
def test_addresses_that_iana_does_not_call_globally_reachable_are_not_public(
    row: dict[str, str],
) -> None:
    network = ipaddress.ip_network(row["Address Block"])
    whole = any(
        network.version == block.version and network.subnet_of(block)  # type: ignore[arg-type]
        for block in REFUSED_AS_A_WHOLE
    )
    if row["Address Block"] == "::ffff:0:0/96":
        assert not is_public("::ffff:10.0.0.1") and is_public("::ffff:8.8.8.8")
        return
    if row["Address Block"] == "64:ff9b::/96":
        assert not is_public("64:ff9b::10.0.0.1") and is_public("64:ff9b::8.8.8.8")
        return
    reachable = row["Globally Reachable"] == "True" and not whole
    assert [is_public(each) for each in addresses_in(row["Address Block"])] == 3 * [reachable]


@pytest.mark.parametrize("address", METADATA)
def test_metadata_services_of_clouds_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "2600::5efe:7f00:1",
        "2600::200:5efe:10.0.0.1",
        "2600::5efe:a83f:8110",
        "2600::5efe:a9fe:a9fe",
    ],
)
def test_isatap_addresses_of_internal_machines_are_not_public(address: str) -> None:
    assert not is_public(address)
    assert is_public("2600::5efe:808:808")


@pytest.mark.parametrize(
    "address",
    ["ff02::1", "4000::1", "8000::1", "fec0::1", "::127.0.0.1", "::8.8.8.8", "::ffff:0:8.8.8.8",
     "224.0.0.1", "239.255.255.255", "2002:808:808::1"],
)  # fmt: skip
def test_addresses_outside_global_unicast_are_not_public(address: str) -> None:
    assert not is_public(address)


@given(st.ip_addresses(v=6))
def test_no_address_outside_2000_slash_3_is_public_but_translations(
    address: ipaddress.IPv6Address,
) -> None:
    if is_public(str(address)) and address not in ipaddress.ip_network("2000::/3"):
        assert address.ipv4_mapped or address in ipaddress.ip_network("64:ff9b::/96")


@given(st.ip_addresses())
def test_what_python_calls_not_global_is_not_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if not address.is_global and getattr(address, "ipv4_mapped", None) is None:
        assert not is_public(str(address))
