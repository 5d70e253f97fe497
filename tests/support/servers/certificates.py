"""Makes self-signed certificates."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path


def untrusted_certificate(folder: Path, name: str = "localhost") -> Path | None:
    """A PEM file in `folder` with a new key and its self-signed certificate for `name`.

    None where there is no `openssl` command.
    """
    if shutil.which("openssl") is None:
        return None
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
         "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    both = folder / "both.pem"
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both
