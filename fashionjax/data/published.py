"""The datasets as published: their names, variants and raw files."""

import itertools
import os
import pathlib
from collections.abc import Mapping

from fashionjax.data.datasets.ccp import Ccp
from fashionjax.data.datasets.cfpd import Cfpd
from fashionjax.data.datasets.fashionista import Fashionista, FashionistaV02
from fashionjax.data.datasets.fashionpedia import Fashionpedia
from fashionjax.data.datasets.imaterialist import Imaterialist2019, Imaterialist2020
from fashionjax.data.instances import ORDERS, SMALLER_WINS
from fashionjax.data.label_maps import LabelMap
from fashionjax.data.photo_builder import PhotoBuilder
from fashionjax.data.raw_folder import RawFolder
from fashionjax.data.unpacking import unpack
from fashionjax.data.variant import Variant

DATASETS: Mapping[str, type[PhotoBuilder]] = {
    "ccp": Ccp,
    "imaterialist2019": Imaterialist2019,
    "imaterialist2020": Imaterialist2020,
    "fashionpedia": Fashionpedia,
    "fashionista": Fashionista,
    "fashionista_v02": FashionistaV02,
    "cfpd": Cfpd,
}
"""What can be prepared."""


def default_data_dir() -> pathlib.Path:
    """`$FASHIONJAX_DATA`, else `fashionjax` in the user's cache folder."""
    if chosen := os.environ.get("FASHIONJAX_DATA"):
        return pathlib.Path(chosen)
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "fashionjax"


def find_dataset(name: str) -> type[PhotoBuilder]:
    """Finds a dataset by its name; raises ValueError for others."""
    if name not in DATASETS:
        raise ValueError(f"dataset {name!r}; allowed are {', '.join(DATASETS)}")
    return DATASETS[name]


def data_root(data_dir: str | os.PathLike[str] | None) -> pathlib.Path:
    """The folder of all prepared datasets."""
    return pathlib.Path(data_dir or default_data_dir()).expanduser().absolute()


def list_variants(dataset: type[PhotoBuilder]) -> list[Variant]:
    """All ways to prepare a dataset."""
    orders = tuple(ORDERS) if dataset.HAS_INSTANCES else (SMALLER_WINS,)
    numbers = (1, 0) if dataset.NUMBERS_PIXELS else (1,)
    kinds = itertools.product(dataset.schemes(), orders, (False, True), numbers)
    return [Variant(*kind) for kind in kinds]


def choose_variant(
    dataset: type[PhotoBuilder],
    scheme: str | None,
    overlap: str,
    refined: bool,
    first_pixel: int,
) -> Variant:
    """The way to prepare a dataset that is meant; see `full_scheme`."""
    schemes = dataset.schemes()
    named = {variant.name: variant for variant in list_variants(dataset)}
    if scheme is not None and scheme not in named:
        raise ValueError(f"split {scheme!r}; allowed are {', '.join(schemes)}")
    usual = named[scheme or schemes[0]]
    numbers = sorted({v.first_pixel for v in named.values()})
    if first_pixel not in numbers:
        raise ValueError(
            f"first_pixel {first_pixel}; allowed for {dataset.name} are"
            f" {', '.join(map(str, numbers))}"
        )
    allowed = dict.fromkeys(v.overlap for v in named.values())
    if overlap not in allowed:
        why = "" if dataset.HAS_INSTANCES else ", as it has no instances"
        raise ValueError(
            f"overlap {overlap!r}; allowed for {dataset.name} are"
            f" {', '.join(allowed)}{why}"
        )
    return Variant(
        usual.scheme,
        usual.overlap if overlap == SMALLER_WINS else overlap,
        refined or usual.refined,
        usual.first_pixel if first_pixel == 1 else first_pixel,
    )


def find_raw(
    name: str,
    raw_dir: str | os.PathLike[str] | None,
    data_dir: str | os.PathLike[str] | None = None,
) -> pathlib.Path:
    """Finds the raw files of a dataset, unpacked or downloaded if they have to be.

    Args:
        name: One of `DATASETS`.
        raw_dir: As `prepare` takes it.
        data_dir: Where prepared datasets lie, and `downloads` beside them; None for
            `default_data_dir()`.

    Returns:
        A folder with the dataset's layout.

    Raises:
        ValueError: Unknown dataset, or its files are not there.
    """
    dataset = find_dataset(name)
    root = data_root(data_dir)
    if raw_dir is None:
        return dataset.download(root / "downloads")
    return unpack(raw_dir, root, dataset.find_raw)


def full_scheme(
    name: str,
    scheme: str | None = None,
    *,
    overlap: str = SMALLER_WINS,
    refined: bool = False,
    first_pixel: int = 1,
) -> str:
    """What `Prepared.scheme` says of a dataset that is prepared so.

    Args:
        name: One of `DATASETS`.
        scheme: How photos are divided; None for the dataset's first scheme.
        overlap: One of `fashionjax.data.instances.ORDERS`.
        refined: Whether `refine` has decided.
        first_pixel: The number of a photo's first pixel in run lengths.

    Raises:
        ValueError: Unknown dataset, scheme or order, or a number that is not allowed.
    """
    return choose_variant(
        find_dataset(name), scheme, overlap, refined, first_pixel
    ).name


def open_published(
    name: str,
    scheme: str,
    raw_dir: str | os.PathLike[str],
    data_dir: str | os.PathLike[str],
) -> RawFolder:
    """Opens raw files as a prepared dataset reads them, but for `refine`'s decisions.

    Args:
        name: One of `DATASETS`.
        scheme: What `Prepared.scheme` says of it.
        raw_dir: As `prepare` takes it.
        data_dir: Where it was prepared.

    Raises:
        ValueError: These are no such files.
    """
    variant = find_variant(name, scheme)
    return DATASETS[name].open_raw(
        find_raw(name, raw_dir, data_dir),
        variant.scheme,
        variant.overlap,
        variant.first_pixel,
    )


def find_variant(name: str, scheme: str) -> Variant:
    """The variant that `Prepared.scheme` names; raises ValueError for others."""
    named = {variant.name: variant for variant in list_variants(find_dataset(name))}
    if scheme not in named:
        raise ValueError(f"split {scheme!r}; allowed are {', '.join(named)}")
    return named[scheme]


def check_label_map(name: str, label_map: LabelMap) -> None:
    """Refuses a label map of other ids than those of a dataset.

    Raises:
        ValueError: It is one, or the dataset is unknown.
    """
    num_ids = len(find_dataset(name).SOURCE_NAMES)
    if set(label_map.target_of) != set(range(num_ids)):
        raise ValueError(
            f"label map {label_map.name!r} is not for {name}; allowed are maps of the"
            f" ids 0..{num_ids - 1}"
        )


def folder_of(
    root: pathlib.Path, dataset: type[PhotoBuilder], variant: str
) -> pathlib.Path:
    """Where a variant lies when it is prepared."""
    return root / dataset.name / variant / str(dataset.VERSION)
