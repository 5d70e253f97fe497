"""The families of models in this package, in the order in which they are listed."""

from __future__ import annotations

from vecsim.models.families.bundled import BUNDLED
from vecsim.models.families.mobilenet import MOBILENET
from vecsim.models.families.pdq import PDQ
from vecsim.models.families.phash import PHASH
from vecsim.models.family import Family

BUILT_IN: tuple[Family, ...] = (BUNDLED, MOBILENET, PHASH, PDQ)
