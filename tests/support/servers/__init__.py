"""Real HTTP servers on loopback, for all tests."""

from support.servers.behaviours import (
    Behaviour,
    conditional,
    drip_body,
    drip_headers,
    endless,
    garbage,
    good,
    gzip_bomb,
    gzipped,
    huge,
    in_turn,
    lying_long,
    lying_short,
    redirect,
    reset_midway,
    silent,
    slow_start,
    status,
)
from support.servers.catalogue import CASES, hostile_routes
from support.servers.certificates import untrusted_certificate
from support.servers.hostile import Exchange, HostileServer
from support.servers.raw import RawServer, response

__all__ = [
    "CASES",
    "Behaviour",
    "Exchange",
    "HostileServer",
    "RawServer",
    "conditional",
    "drip_body",
    "drip_headers",
    "endless",
    "garbage",
    "good",
    "gzip_bomb",
    "gzipped",
    "hostile_routes",
    "huge",
    "in_turn",
    "lying_long",
    "lying_short",
    "redirect",
    "reset_midway",
    "response",
    "silent",
    "slow_start",
    "status",
    "untrusted_certificate",
]
