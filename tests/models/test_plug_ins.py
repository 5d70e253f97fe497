"""Models of other packages, registered by entry points: real distributions in a folder on sys.path.

Each test runs in a process of its own, because entry points are read once in a process.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.models import ROOT

ACME = """
import numpy as np
from vecsim import Fingerprint, Preparation
from vecsim.models.family import ModelSpec

SPEC = ModelSpec("acme-8", 3, Preparation(8, "smooth"), 0.9, "mean colours", "fast")

class Embedder:
    preparation = SPEC.preparation
    threshold = SPEC.threshold
    fingerprint = SPEC.fingerprint("ab" * 32)

    def embed(self, pixels):
        return pixels.mean(axis=(1, 2)).astype(np.float32)

class Acme:
    name = "acme"
    naming = "acme-8"
    specs = (SPEC,)

    def weights_place(self, spec):
        return "built in"

    def load(self, spec, options):
        options.check_fingerprint(Embedder.fingerprint)
        return Embedder()

FAMILY = Acme()
"""


def install(folder: Path, name: str, module: str, source: str) -> None:
    """Put a distribution with one module and one entry point of the group into `folder`."""
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[vecsim.models]\n{name} = {module}:FAMILY\n")


def python(folder: Path, code: str) -> str:
    """What a Python process with `folder` on its path prints; it must end well."""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": f"{folder}:{ROOT}", "PATH": "", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout + ran.stderr


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """A folder with a package that brings the model acme-8."""
    install(tmp_path, "acme", "acme_models", ACME)
    return tmp_path


def test_a_model_of_another_package_is_listed_and_loaded(acme: Path) -> None:
    printed = python(
        acme,
        """
import numpy
from vecsim.models import default_threshold, list_models, load_embedder, resolve_model
print([model.name for model in list_models()][-1], default_threshold("acme-8"))
print(resolve_model("acme-8"), load_embedder("acme-8").fingerprint)
print(load_embedder("acme-8").embed(numpy.full((1, 8, 8, 3), 7, numpy.uint8)))
""",
    )
    assert printed == (
        "acme-8 0.9\n"
        "('acme-8', None) acme-8 (3 dimensions, smooth-8-v2, weights abababababab)\n"
        "[[7. 7. 7.]]\n"
    )


@pytest.mark.ci
def test_an_index_of_a_plugged_in_model_is_built_and_queried(acme: Path) -> None:
    printed = python(
        acme,
        f"""
from vecsim import Index
with Index.create("{acme}/index", model="acme-8") as index:
    index.add("{ROOT}/demo/images")
with Index("{acme}/index") as index:
    first = next(iter(index.query("{ROOT}/demo/images/1.jpg", threshold=0.99)))
    print(first.reference_id, first.score)
""",
    )
    assert printed.endswith("1.jpg 1.0\n")


def test_models_of_the_package_are_found_without_importing_plug_ins(acme: Path) -> None:
    printed = python(
        acme,
        """
import sys
from vecsim.models import load_embedder
load_embedder("phash")
print("acme_models" in sys.modules)
""",
    )
    assert printed == "False\n"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nonexistent", "ModuleNotFoundError: No module named 'nonexistent'"),
        ("FAMILY = 3", "AttributeError: 'int' object has no attribute 'name'"),
        (ACME.replace('"acme"', '"phash"'), "ValueError: there is a family 'phash' already"),
        (ACME.replace('"acme"', '"my"'), "the name 'acme-8' does not begin with 'my'"),
    ],
)
def test_a_broken_plug_in_is_named_and_breaks_no_other(
    acme: Path, source: str, reason: str
) -> None:
    install(acme, "broken", "broken_models", source)
    printed = python(
        acme,
        """
from vecsim.errors import ModelError
from vecsim.models import list_models, load_embedder
print({model.name for model in list_models()} >= {"acme-8", "phash", "bundled-3"})
print(load_embedder("acme-8").fingerprint.dim)
try:
    load_embedder("brokn")
except ModelError as error:
    print(error)
""",
    )
    place = "the models 'broken' of broken_models 1.0 (broken_models:FAMILY) cannot be used: "
    assert "True\n3\n" in printed
    told = [line for line in printed.splitlines() if place in line]
    assert len(told) == 2  # the warning of list_models, the error for the unknown name
    assert all(reason in line for line in told)


def test_an_unknown_name_is_refused_with_names_of_plug_ins_too(acme: Path) -> None:
    printed = python(
        acme,
        """
from vecsim.errors import ModelError
from vecsim.models import load_embedder
try:
    load_embedder("acme8")
except ModelError as error:
    print(error)
""",
    )
    assert "Did you mean 'acme-8'?" in printed
    assert "phash; pdq; acme-8." in printed
