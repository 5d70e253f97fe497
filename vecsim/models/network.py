"""Can a file be downloaded? Answered in a given time, whatever the network does."""

from __future__ import annotations

import threading


def can_download(url: str, seconds: float) -> bool:
    """Tell whether `url` answers a HEAD request with 200 within `seconds`.

    It goes the way Keras' download goes (`urllib`, with the proxies of the environment). A name
    that never resolves cannot be timed out from inside, so the request runs in a thread that is
    left behind when time is up.
    """
    answered = threading.Event()
    done = threading.Event()

    def ask() -> None:
        import urllib.request
        from http.client import HTTPException

        request = urllib.request.Request(url, method="HEAD")
        try:
            # A new opener reads today's proxies; `urlopen` keeps those of its first call.
            with urllib.request.build_opener().open(request, timeout=seconds) as response:
                if response.status == 200:
                    answered.set()
        except (
            OSError,
            ValueError,
            HTTPException,
        ):  # no way there; a proxy setting that is no address
            pass
        finally:
            done.set()

    threading.Thread(target=ask, name="vecsim-can-download", daemon=True).start()
    done.wait(seconds)
    return answered.is_set()
