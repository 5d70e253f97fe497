"""All families of models, those of this package and those that other packages register.

Other packages register a `Family` by an entry point of the group `vecsim.models`. They are imported
only when a name is looked up that no family of this package has, or when all models are listed. A
plug-in that cannot be used breaks nothing but itself: it is named in a warning, and in the error
for a name that is unknown.
"""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from vecsim.errors import ModelError
from vecsim.models.families import BUILT_IN
from vecsim.models.family import Family, ModelSpec
from vecsim.models.file_settings import FORMATS

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "vecsim.models"

LOGGER = logging.getLogger("vecsim.models")


def find_model(name: str) -> tuple[Family, ModelSpec]:
    """Return the model called `name` and its family.

    Raises `ModelError` if it is unknown, with the nearest known name.
    """
    known = {spec.name: (family, spec) for family in BUILT_IN for spec in family.specs}
    if (found := _named(name, known)) is not None:
        return found
    plugged_in, broken = load_plugins()
    more = {spec.name: (family, spec) for family in plugged_in for spec in family.specs}
    if (found := _named(name, more)) is not None:
        return found
    names = [*known, *more, *(alias for _, spec in known.values() for alias in spec.aliases)]
    near = difflib.get_close_matches(name.lower(), names, n=1)
    advice = f" Did you mean {near[0]!r}?" if near else ""
    namings = "; ".join(family.naming for family in (*BUILT_IN, *plugged_in))
    raise ModelError(
        f"unknown model {name!r}.{advice} Known are {namings}." + "".join(f" {b}." for b in broken)
    )


def find_spec(name: str) -> ModelSpec:
    """Return the model called `name`, without its family; raises `ModelError` if it is unknown."""
    return find_model(name)[1]


def all_models() -> Iterator[tuple[Family, ModelSpec]]:
    """Yield all models with their families; a warning names each plug-in that cannot be used."""
    plugged_in, broken = load_plugins()
    for problem in broken:
        LOGGER.warning("%s", problem)
    for family in (*BUILT_IN, *plugged_in):
        for spec in family.specs:
            yield family, spec


def is_reserved(name: str) -> bool:
    """Tell whether `name` is, or looks like, the name of a model of this package or a plug-in."""
    if name in FORMATS.values() or _is_of(name, BUILT_IN):
        return True  # without looking for plug-ins, which takes longer
    return _is_of(name, load_plugins()[0])


def _is_of(name: str, families: Iterable[Family]) -> bool:
    return any(name == each.name or name.startswith(f"{each.name}-") for each in families)


@lru_cache(maxsize=1)
def load_plugins() -> tuple[tuple[Family, ...], tuple[str, ...]]:
    """Import the families of other packages: (families, one message for each broken plug-in)."""
    from importlib.metadata import entry_points  # 15 ms that most commands do without

    families: list[Family] = []
    problems: list[str] = []
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
        try:
            families.append(_load_plugin(entry, families))
        except Exception as error:  # whatever the import of another package raises
            package = f" of {entry.dist.name} {entry.dist.version}" if entry.dist else ""
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            problems.append(
                f"the models {entry.name!r}{package} ({entry.value}) cannot be used: {reason}"
            )
    return tuple(families), tuple(problems)


def _load_plugin(entry: EntryPoint, others: list[Family]) -> Family:
    """Import the family of one entry point; raises whatever is wrong with it."""
    family: Family = entry.load()
    taken = {other.name for other in (*BUILT_IN, *others)}
    if family.name in taken:
        raise ValueError(f"there is a family {family.name!r} already")
    for spec in family.specs:
        if not isinstance(spec, ModelSpec):
            raise TypeError(f"specs holds {spec!r}, not a ModelSpec")
        if spec.name != family.name and not spec.name.startswith(f"{family.name}-"):
            raise ValueError(f"the name {spec.name!r} does not begin with {family.name!r}")
    for member in ("naming", "weights_place", "load"):
        getattr(family, member)
    return family


def _named(
    name: str, models: dict[str, tuple[Family, ModelSpec]]
) -> tuple[Family, ModelSpec] | None:
    """Return the model with that name or alias."""
    if name in models:
        return models[name]
    return next((model for model in models.values() if name in model[1].aliases), None)
