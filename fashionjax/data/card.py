"""What a prepared dataset is, as a page of Markdown for those who find it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds

from fashionjax.data.fingerprint import CONTENT

_MOST_REASONS = 20
_MOST_NAMES = 3


def dataset_card(info: tfds.core.DatasetInfo, source_names: Sequence[str]) -> str:
    """Describes a dataset.

    Args:
        info: Its splits, and the metadata of a `PhotoBuilder`.
        source_names: The names of the ids in its labels, by position.

    Returns:
        Markdown.
    """
    metadata = dict(info.metadata or {})
    sections = [
        f"# {info.description}",
        _origin(info, metadata),
        "## Splits",
        _splits(info, metadata["shards"]),
        "## Labels",
        _labels(metadata, source_names),
        "## Left out",
        _left_out(metadata["quarantine"]),
        "## Checks",
        "`metadata.json` has the SHA-256 of every file of records;"
        f" `python -m fashionjax.data prepare {info.name} --split={info.config_name}"
        " --data_dir=DIR --verify` compares them.",
    ]
    return "\n\n".join(sections) + "\n"


def describe_photos(found: int, published: int, divided: int) -> str:
    """Says how many photos there are, should be, and are in no split."""
    text = _beside_published(found, published)
    if divided == found:
        return text
    return f"{text}; in no split are {found - divided:,}"


def _beside_published(found: int, published: int) -> str:
    if found == published:
        return f"{found:,}, as published"
    side = "fewer" if found < published else "more"
    difference = abs(found - published)
    return f"{found:,}; published are {published:,}, {difference:,} {side} here"


def describe_names(photos: Sequence[str]) -> str:
    """Says how many photos there are, with the first names."""
    if not photos:
        return "none"
    names = ", ".join(photos[:_MOST_NAMES])
    more = ", …" if len(photos) > _MOST_NAMES else ""
    count = "1 photo" if len(photos) == 1 else f"{len(photos):,} photos"
    return f"{count}: {names}{more}"


def _origin(info: tfds.core.DatasetInfo, metadata: Mapping[str, Any]) -> str:
    raw = metadata["raw"]
    counts = (f"{v} {kind}" for kind, v in raw.items() if isinstance(v, int))
    versions = (f"{name} {version}" for name, version in metadata["versions"].items())
    rows = [
        ("Dataset", f"`{info.name}`, format {info.version}"),
        ("Divided by", f"`{info.config_name}`: {info.config_description}"),
        ("Homepage", info.homepage),
        ("Licence, as its publishers state it", info.redistribution_info.license),
        ("Made from", f"{', '.join(counts)}; {_hashes(raw)}"),
        ("Photos with labels", describe_photos(**metadata["photos"])),
        ("Without, and not used", describe_names(metadata["unlabelled"])),
        ("Written by", ", ".join(versions)),
    ]
    return _table(("", ""), rows)


def _hashes(raw: Mapping[str, Any]) -> str:
    """The raw files' hashes, and that of decisions by which photos were refined."""
    text = (
        f"SHA-256 of their names and sizes `{raw['sha256']}`, of the annotations"
        f" `{raw[CONTENT]}`"
    )
    refined = raw.get("decisions_sha256")
    return text if refined is None else f"{text}, of the decisions `{refined}`"


def _splits(
    info: tfds.core.DatasetInfo, shards: Mapping[str, Sequence[Mapping[str, Any]]]
) -> str:
    rows = [
        (
            split,
            info.splits[split].num_examples,
            len(files),
            f"{sum(file['num_bytes'] for file in files) / 1e6:.1f} MB",
        )
        for split, files in shards.items()
    ]
    return _table(("split", "photos", "files", "size"), rows)


def _labels(metadata: Mapping[str, Any], source_names: Sequence[str]) -> str:
    if "overlap" not in metadata:
        return _table(("id", "name"), enumerate(source_names))
    photos = metadata["categories"]
    visible, hidden = (metadata["overlap"][key] for key in ("visible", "hidden"))
    rows = []
    for i, name in enumerate(source_names):
        below, pixels = hidden.get(i, 0), hidden.get(i, 0) + visible.get(i, 0)
        share = f"{below / pixels:.1%}" if pixels else ""
        rows.append((i, name, *(split.get(i, 0) for split in photos.values()), share))
    head = ("id", "name", *(f"photos in {split}" for split in photos), "hidden")
    return (
        "Instances that may overlap; *hidden* is the share of a category's pixels that"
        f" lie below others.\n\n{_table(head, rows)}"
    )


def _left_out(reasons: Mapping[str, str]) -> str:
    if not reasons:
        return "Nothing: every photo could be read and fits its label."
    rows = list(reasons.items())
    more = len(rows) - _MOST_REASONS
    rest = f"\n\n… and {more} more, in `metadata.json`." if more > 0 else ""
    return _table(("photo", "reason"), rows[:_MOST_REASONS]) + rest


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: Any) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
