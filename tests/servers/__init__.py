"""Real HTTP servers on loopback, for all tests: `from servers import HostileServer, good`."""

from servers.behaviours import (
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
from servers.catalogue import CASES, hostile_routes
from servers.certificates import untrusted_certificate
from servers.hostile import Exchange, HostileServer

__all__ = [
    "CASES",
    "Behaviour",
    "Exchange",
    "HostileServer",
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
    "silent",
    "slow_start",
    "status",
    "untrusted_certificate",
]
