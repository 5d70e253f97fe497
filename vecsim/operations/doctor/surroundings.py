"""What surrounds the process: its limits, the way to the network, variables that steer it."""

from __future__ import annotations

import difflib
import os
import resource
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from vecsim.models.diagnosis import can_download_weights
from vecsim.operations.doctor.finding import Finding

_FEW_FILES = 512  # decoders, downloads and segments take a few hundred
_SECONDS = 10.0
_SECRET = ("_HEADER", "_HEADERS")


def open_files() -> Finding:
    """How many files a process may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"{soft:,} at once" if soft != resource.RLIM_INFINITY else "any number at once"
    few = soft != resource.RLIM_INFINITY and soft < _FEW_FILES
    return Finding("open files", text, f"Raise it before a large run: ulimit -n {hard}." * few)


def network(*, ask: bool) -> Finding:
    """The proxies in effect and, if asked for, whether the weights can be had through them."""
    proxies = {kind: _without_password(url) for kind, url in urllib.request.getproxies().items()}
    told = ", ".join(f"{kind} {url}" for kind, url in sorted(proxies.items()))
    text = f"proxies: {told}" if told else "no proxy"
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        file = os.environ.get(name)
        if file and not Path(file).exists():
            return Finding("network", text, f"{name} names {file}, which is not there. Unset it.")
    if not ask:
        return Finding("network", f"{text}; not tried (--network does)")
    if can_download_weights(_SECONDS):
        return Finding("network", f"{text}; MobileNet's weights can be downloaded")
    return Finding(
        "network",
        f"{text}; MobileNet's weights cannot be downloaded from here",
        "Put them where `vecsim models` says, or use a model that needs no download.",
    )


def environment(known: Iterable[str]) -> Finding:
    """The variables that steer vecsim, and those that were meant to."""
    names = sorted(known)
    mine = sorted(name for name in os.environ if name.startswith("VECSIM_") or name in names)
    text = ", ".join(f"{name}={_shown(name)}" for name in mine) or "no variable is set"
    unknown = [name for name in mine if name not in names]
    advice = []
    for name in unknown:
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.8)
        hint = f" Do you mean {near[0]}?" if near else ""
        advice.append(f"{name} is read by no part of vecsim.{hint}")
    return Finding("environment", text, " ".join(advice))


def _shown(name: str) -> str:
    """Reports travel: what may be a password stays here."""
    if name.endswith(_SECRET):
        return "(hidden)"
    return _without_password(os.environ[name])


def _without_password(url: str) -> str:
    try:
        user, at, _ = urlsplit(url).netloc.rpartition("@")
    except ValueError:
        return url
    return url.replace(f"{user}@", "***@", 1) if at else url
