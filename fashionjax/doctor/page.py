"""The page: one HTML file that needs no other."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from jaxtyping import Int64

from fashionjax.constants import BACKGROUND, IGNORE_INDEX
from fashionjax.data.label_maps import LabelMap
from fashionjax.data.refine import MIN_SCORE
from fashionjax.doctor.charts import ratio_histogram, size_scatter
from fashionjax.doctor.datasets import StoredDataset
from fashionjax.doctor.gallery import MAX_DUPLICATES, MAX_MEMBERS, Gallery, Picture
from fashionjax.doctor.mapping import mapped_classes
from fashionjax.doctor.pictures import data_uri
from fashionjax.doctor.statistics import SourceCounts
from fashionjax.doctor.summary import (
    ALL,
    DatasetSummary,
    Duplicates,
    ExactDuplicates,
    MapSummary,
    NearDuplicates,
    Place,
    Summary,
)
from fashionjax.report import markup
from fashionjax.report.theme import DARK, LIGHT

MAX_PROBLEMS = 200
"""How many problems of a dataset the page lists; the JSON has all."""

STYLE = """
.gallery { display: grid; gap: 12px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr)); }
.gallery figure, .sheet { background: var(--surface); padding: 8px;
  border: 1px solid var(--line); border-radius: 10px; }
.gallery .row, .sheet .row { display: flex; gap: 4px; }
.gallery .row > *, .sheet .row > * { min-width: 0; flex: 1 1 0; }
.gallery img { margin: 0 auto; border-radius: 5px; max-height: 216px;
  object-fit: contain; }
.sheet { margin-bottom: 12px; }
.sheet h3 { font-size: 14px; margin: 2px 0 8px; }
.sheet h3 span { color: var(--muted); font-weight: 400; }
.sheet .row { flex-wrap: wrap; gap: 8px; }
.sheet .row > * { flex: 0 0 auto; max-width: 100%; }
.sheet img { border-radius: 5px; height: 154px; width: auto; }
figcaption { color: var(--muted); font-size: 12px; padding-top: 6px;
  overflow-wrap: anywhere; }
.charts figcaption { color: var(--ink); font-size: inherit; padding-top: 0; }
.tag { color: #fff; background: #be123c; border-radius: 5px; padding: 1px 7px;
  font-size: 12px; font-weight: 600; }
h3 { font-size: 16px; margin: 24px 0 10px; }
.scroll + .scroll, .scroll + .gallery, .charts + .gallery, .charts + .scroll,
.scroll + .charts { margin-top: 12px; }
td { white-space: nowrap; }
td.wide { white-space: normal; overflow-wrap: anywhere; }
td .number { width: 72px; }
td .bar { width: calc(100% - 90px); min-width: 64px; }
section details { margin-top: 12px; }
details .scroll { border: 0; padding: 8px 0 0; }
td[rowspan] { vertical-align: top; }
.class { white-space: nowrap; margin-left: 10px; }
figcaption .chip { width: 10px; height: 10px; margin-right: 4px; }
.right th:not(:first-child), .right td:not(:first-child) { text-align: right; }
"""


@dataclasses.dataclass(frozen=True)
class Chapter:
    """All that the page tells of one dataset.

    Attributes:
        dataset: What was examined.
        summary: Its numbers.
        gallery: Its pictures.
        sizes: (height, width) of its images, for the figures.
    """

    dataset: StoredDataset
    summary: DatasetSummary
    gallery: Gallery
    sizes: Int64[np.ndarray, "images 2"]


def make_page(
    chapters: Sequence[Chapter],
    duplicates: Duplicates,
    photos: Mapping[Place, bytes],
    command: str = "",
) -> str:
    """Writes the page.

    Args:
        chapters: One for each dataset.
        duplicates: Of all of them.
        photos: JPEG files of the duplicates to show.
        command: What made the page; may be empty.

    Returns:
        HTML with all pictures inside.
    """
    names = ", ".join(chapter.summary.name for chapter in chapters)
    title = f"Dataset{'s' * (len(chapters) > 1)} {names}"
    summary = Summary([chapter.summary for chapter in chapters], duplicates)
    body = [_header(title, summary, command)]
    for chapter in chapters:
        if len(chapters) > 1:
            body.append(
                f"<section><h1>{markup.text(chapter.summary.name)}</h1></section>"
            )
        body += _chapter(chapter)
    body.insert(1 if len(chapters) > 1 else 2, _duplicates(duplicates, photos))
    return markup.document(title, "\n".join(body), STYLE)


def share_text(share: float) -> str:
    """Writes a share in percent, so that a small one differs from none."""
    percent = 100 * share
    if percent == 0:
        return "0 %"
    if percent < 0.001:
        return "<0.001 %"
    return f"{percent:.{1 if percent >= 10 else 2 if percent >= 1 else 3}f} %"


def _header(title: str, summary: Summary, command: str) -> str:
    duplicates = summary.duplicates
    both = [*duplicates.exact, *duplicates.near]
    numbers = {
        "Images": (sum(_total(d) for d in summary.datasets), "that can be read"),
        "Problems": (sum(len(d.problems) for d in summary.datasets), "to look at"),
        "Exact duplicates": (len(duplicates.exact), "groups of equal pixels"),
        "Near duplicates": (duplicates.num_near, "pairs that look the same"),
        "Across splits": (
            sum(item.across_splits for item in both),
            _of_these(duplicates),
        ),
    }
    cards = [markup.card(n, f"{value:,}", hint) for n, (value, hint) in numbers.items()]
    facts = {}
    for dataset in summary.datasets:
        splits = ", ".join(f"{n:,} {split}" for split, n in dataset.num_images.items())
        facts[dataset.name] = f"{splits}; {dataset.directory}".removesuffix("; ")
    origin = (
        f'<p class="command">Made by</p><pre>{markup.text(command)}</pre>'
        if command
        else ""
    )
    return (
        f"<header><h1>{markup.text(title)}</h1>"
        '<p class="note">All numbers of this page are in doctor.json beside it.</p>'
        f'</header><div class="cards">{"".join(cards)}</div>'
        f"{markup.facts(facts)}{origin}"
    )


def _total(summary: DatasetSummary) -> int:
    return sum(summary.num_images.values())


def _chapter(chapter: Chapter) -> list[str]:
    summary = chapter.summary
    shown = summary.maps[0]
    label_map = chapter.dataset.label_maps[0]
    return [
        _problems(summary, _gallery(chapter.gallery.problems, label_map)),
        _presence(shown, label_map),
        _pixels(shown, label_map),
        _baseline(summary.maps),
        _sources(shown, summary.sources),
        _mappings(summary, chapter.dataset.label_maps),
        _sizes(chapter),
        _people(chapter),
        _random(chapter.gallery, label_map),
        _classes(chapter.gallery, shown, label_map),
    ]


def _table(head: Iterable[str], rows: Iterable[str], kind: str = "") -> str:
    cells = "".join(f'<th scope="col">{markup.text(name)}</th>' for name in head)
    return (
        f'<div class="scroll {kind}"><table><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(name: str, cells: Iterable[str]) -> str:
    """A row from HTML."""
    return f'<tr><th scope="row">{name}</th>{"".join(cells)}</tr>'


def _cells(values: Iterable[object]) -> list[str]:
    return [f"<td>{markup.text(value)}</td>" for value in values]


def _problems(summary: DatasetSummary, pictures: str) -> str:
    problems = summary.problems
    if not problems:
        note = (
            "None: every example can be read, has a label of its photo's size with a"
            " class in it, and an id of its own."
        )
        return markup.section("Problems", note, "")
    kinds = dict.fromkeys(problem.kind for problem in problems)
    counts = {kind: sum(p.kind == kind for p in problems) for kind in kinds}
    note = ", ".join(f"{count:,} {kind}" for kind, count in counts.items()) + "."
    if len(problems) > MAX_PROBLEMS:
        note += f" The first {MAX_PROBLEMS} are listed."
    rows = [
        _row(
            markup.text(problem.kind),
            [
                *_cells([problem.split or "–", problem.image_id]),
                f'<td class="wide">{markup.text(problem.reason)}</td>',
            ],
        )
        for problem in problems[:MAX_PROBLEMS]
    ]
    table = _table(["Problem", "Split", "Image", "Reason"], rows)
    return markup.section("Problems", note, table + pictures)


def _name(label_map: LabelMap, class_id: int) -> str:
    color = markup.chip(label_map.palette[class_id])
    return color + markup.text(label_map.class_names[class_id])


def _by_images(summary: MapSummary) -> list[int]:
    """Class ids, those in most images first."""
    images = summary.splits[ALL].images
    return sorted(range(len(images)), key=lambda i: -images[i])


def _presence(summary: MapSummary, label_map: LabelMap) -> str:
    rows = []
    for class_id in _by_images(summary):
        count = summary.splits[ALL].images[class_id]
        cells = [f"<td>{count:,}</td>"]
        for counts in summary.splits.values():
            part = counts.images[class_id] / max(1, counts.num_images)
            cells.append(markup.bar_cell(share_text(part), part))
        rows.append(_row(_name(label_map, class_id), cells))
    note = "Images that contain each class, and their share of the images of a split."
    head = ["Class", "Images", *summary.splits]
    return markup.section("Classes: images", note, _table(head, rows))


def _pixels(summary: MapSummary, label_map: LabelMap) -> str:
    everything = summary.splits[ALL]
    # Background would leave the bars of all others too short to compare.
    largest = max(
        (s for c in summary.splits.values() for s in c.shares[BACKGROUND + 1 :]),
        default=1.0,
    )
    weights_of = "train" if "train" in summary.splits else ALL
    rows = []
    for class_id in sorted(
        range(len(everything.shares)), key=lambda i: -everything.shares[i]
    ):
        cells = []
        for counts in summary.splits.values():
            share = counts.shares[class_id]
            length = None if class_id == BACKGROUND else share / (largest or 1.0)
            cells.append(markup.bar_cell(share_text(share), length))
        weight = summary.splits[weights_of].weights[class_id]
        cells += _cells(["–" if weight is None else f"{weight:.3g}"])
        rows.append(_row(_name(label_map, class_id), cells))
    note = (
        "Share of the labelled pixels. Bars end at the largest class but background,"
        f" {share_text(largest)}. Weight: median frequency by class frequency in"
        f" {weights_of}, what would balance a loss; for information."
    )
    if everything.ignored_share:
        note += f" {share_text(everything.ignored_share)} of the pixels have no label."
    head = ["Class", *summary.splits, "Weight"]
    return markup.section("Classes: pixels", note, _table(head, rows))


def _baseline(maps: Sequence[MapSummary]) -> str:
    rows = []
    for summary in maps:
        values = [counts.background_accuracy for counts in summary.splits.values()]
        texts = ["–" if v is None else f"{100 * v:.2f} %" for v in values]
        rows.append(_row(markup.text(summary.name), _cells(texts)))
    note = (
        "Pixel accuracy of predicting background everywhere: what a model has to beat."
    )
    table = _table(["Label map", *maps[0].splits], rows)
    return markup.section("All background", note, table)


def _is_plain(mapped: MapSummary, sources: SourceCounts) -> bool:
    """Whether the classes are the dataset's own ids, pixel for pixel."""
    targets = mapped.sources.values()
    return len({*targets}) == len(targets) and not any(sources.covered)


def _sources(shown: MapSummary, sources: SourceCounts) -> str:
    """What the dataset itself has, where that is not what is shown above."""
    if _is_plain(shown, sources):
        return ""
    order = sorted(range(len(sources.names)), key=lambda i: -sources.images[ALL][i])
    rows = []
    for i in order:
        everywhere, *parts = (
            images[i] / max(1, sources.num_images[split])
            for split, images in sources.images.items()
        )
        covered = sources.covered[i] / max(1, sources.pixels[i])
        cells = [
            f"<td>{sources.images[ALL][i]:,}</td>",
            markup.bar_cell(share_text(everywhere), everywhere),
            *_cells(map(share_text, (*parts, sources.shares[i], covered))),
        ]
        rows.append(_row(markup.text(sources.names[i]), cells))
    several = [
        _row(str(number), _cells([f"{count:,}"]))
        for number, count in sources.images_by_number.items()
    ]
    mean = sum(n * c for n, c in sources.images_by_number.items()) / max(
        1, sum(sources.images_by_number.values())
    )
    note = (
        "Images that contain each of the dataset's own categories, whatever lies above"
        " them or a label map makes of them; their share of the pixels, and the part of"
        f" it that is covered by others. An image has {mean:.1f} in the mean."
    )
    head = ["Category", "Images", *sources.images, "Pixels", "Covered"]
    content = _table(head, rows) + (
        "<details><summary>Categories of an image</summary>"
        f"{_table(['Categories', 'Images'], several)}</details>"
    )
    return markup.section("Categories", note, content)


def _mappings(summary: DatasetSummary, label_maps: Sequence[LabelMap]) -> str:
    parts = []
    for mapped, target in zip(summary.maps, label_maps, strict=True):
        if _is_plain(mapped, summary.sources):
            continue
        table = _table(
            ["Source", "Before", "Class", "After", "Images"],
            _mapping_rows(mapped, summary.sources, target),
        )
        title = f"{mapped.name}: {len(mapped.sources)} source classes to"
        title += f" {target.num_classes}"
        if mapped.num_dropped:
            title += f", {mapped.num_dropped:,} images left out"
        parts.append(
            f"<details><summary>{markup.text(title)}</summary>{table}</details>"
        )
    if not parts:
        return ""
    note = "What becomes of the dataset's own ids, with shares of the labelled pixels."
    if any(summary.sources.covered):
        note += " Before, a pixel counts for everything that lies there."
    return markup.section("Label maps", note, "".join(parts))


def _mapping_rows(
    mapped: MapSummary, sources: SourceCounts, label_map: LabelMap
) -> list[str]:
    """A row for each source id; those of a class lie together."""
    rows = []
    counts = mapped.splits[ALL]
    for found in mapped_classes(label_map, mapped, sources):
        room = f'<td rowspan="{max(1, len(found.sources))}">'
        no_class = found.class_id == IGNORE_INDEX
        name = found.name if no_class else _name(label_map, found.class_id)
        images = "–" if no_class else f"{counts.images[found.class_id]:,}"
        cells = (
            f"{room}{name}</td>{room}{share_text(found.share)}</td>{room}{images}</td>"
        )
        for source, share in found.sources:
            row = [*_cells([share_text(share)]), cells]
            rows.append(_row(markup.text(source), row))
            cells = ""  # they span the rows below
        if not found.sources:
            rows.append(_row("", [*_cells(["–"]), cells]))
    return rows


def _sizes(chapter: Chapter) -> str:
    summary = chapter.summary
    units = {
        "height": ("Height", "pixels", 0),
        "width": ("Width", "pixels", 0),
        "aspect_ratio": ("Height / width", "", 3),
        "megapixels": ("Megapixels", "", 3),
    }
    rows = []
    for key, (name, unit, digits) in units.items():
        spread = dataclasses.asdict(summary.sizes[key])
        # A mean of whole numbers is none.
        texts = [
            f"{value:,.{max(digits, 1 if part in ('mean', 'std') else 0)}f}"
            for part, value in spread.items()
        ]
        title = f"{name}, {unit}".removesuffix(", ")
        rows.append(_row(markup.text(title), _cells(texts)))
    head = ["", "Min", "Median", "Mean", "Max", "Standard deviation"]
    figures = (
        ("Sizes; bigger dots, more photos", "Sizes", size_scatter(chapter.sizes)),
        ("Aspect ratios", "Images by aspect ratio", ratio_histogram(chapter.sizes)),
    )
    charts = "".join(
        f"<figure><figcaption>{title}</figcaption>{_figure(files, alt)}</figure>"
        for title, alt, files in figures
    )
    pictures = _gallery(chapter.gallery.sizes, chapter.dataset.label_maps[0])
    note = f"{len(chapter.sizes):,} photos; sizes {summary.sizes_of}."
    if summary.num_others:
        note += f" {summary.num_others:,} photos with labels are in no split."
    content = (
        f'{_table(head, rows, "right")}<div class="charts">{charts}</div>{pictures}'
    )
    return markup.section("Sizes", note, content)


def _figure(files: Mapping[str, bytes], alt: str) -> str:
    light, dark = (data_uri(files[theme.suffix], "png") for theme in (LIGHT, DARK))
    return markup.picture(light, dark, alt)


def _image(jpeg: bytes, alt: str) -> str:
    return f'<img src="{data_uri(jpeg)}" alt="{markup.text(alt)}">'


def _figures(pictures: Sequence[Picture], label_map: LabelMap) -> list[str]:
    """Pictures with their captions and the names of their classes."""
    return [
        f"<figure>{_image(picture.jpeg, picture.caption)}"
        f"<figcaption>{markup.text(picture.caption)} {classes}</figcaption></figure>"
        for picture in pictures
        for classes in [" ".join(_tag(label_map, i) for i in picture.classes)]
    ]


def _tag(label_map: LabelMap, class_id: int) -> str:
    return f'<span class="class">{_name(label_map, class_id)}</span>'


def _gallery(pictures: Sequence[Picture], label_map: LabelMap) -> str:
    return f'<div class="gallery">{"".join(_figures(pictures, label_map))}</div>'


def _people(chapter: Chapter) -> str:
    people = chapter.summary.people
    if people is None:
        return ""
    total = sum(map(len, people.values()))
    several = sum(len(ids) for number, ids in people.items() if number > 1)
    rows = []
    for number, ids in people.items():
        part = len(ids) / total
        cells = [f"<td>{len(ids):,}</td>", markup.bar_cell(share_text(part), part)]
        rows.append(_row(str(number), cells))
    note = (
        f"{several:,} of {total:,} images show several people, by detections with a"
        f" score of {MIN_SCORE} or more. A label that covers one of them only is noise;"
        " python -m fashionjax.data refine crops such photos."
    )
    content = _table(["People", "Images", "Share"], rows)
    pictures = _gallery(chapter.gallery.people, chapter.dataset.label_maps[0])
    return markup.section("People", note, content + pictures)


def _random(gallery: Gallery, label_map: LabelMap) -> str:
    note = "Photo and label of examples drawn by lot."
    return markup.section("Examples", note, _gallery(gallery.random, label_map))


def _classes(gallery: Gallery, summary: MapSummary, label_map: LabelMap) -> str:
    if not gallery.classes:
        return ""
    sheets = []
    for class_id in _by_images(summary):
        pictures = gallery.classes.get(class_id, [])
        figures = "".join(_figures(pictures, label_map))
        count = summary.splits[ALL].images[class_id]
        if pictures:
            sheets.append(
                f'<div class="sheet"><h3>{_name(label_map, class_id)}'
                f' <span>in {count:,} images</span></h3><div class="row">{figures}'
                "</div></div>"
            )
    note = (
        "Drawn by lot from the half of a class's images in which it is largest; only"
        " its pixels are coloured."
    )
    return markup.section("Examples of each class", note, "".join(sheets))


def _duplicates(duplicates: Duplicates, photos: Mapping[Place, bytes]) -> str:
    across = sum(d.across_splits for d in [*duplicates.exact, *duplicates.near])
    note = (
        f"Groups of photos that are equal pixel for pixel: {len(duplicates.exact):,}."
        f" Pairs that look the same: {duplicates.num_near:,}. {across:,}"
        f" {_of_these(duplicates)} are in different splits or datasets; they make an"
        " evaluation too good."
    )
    parts = [
        part
        for title, items in (("Equal", duplicates.exact), ("Alike", duplicates.near))
        if items
        for part in (_count(title, len(items)), _pairs(items, photos))
    ]
    return markup.section("Duplicates", note, "".join(parts))


def _of_these(duplicates: Duplicates) -> str:
    if len(duplicates.near) == duplicates.num_near:
        return "of these groups and pairs"
    return f"of these groups and of the {len(duplicates.near):,} pairs most alike"


def _count(title: str, number: int) -> str:
    shown = f": the first {MAX_DUPLICATES} of {number:,}"
    return f"<h3>{title}{shown if number > MAX_DUPLICATES else ''}</h3>"


def _pairs(
    items: Sequence[ExactDuplicates] | Sequence[NearDuplicates],
    photos: Mapping[Place, bytes],
) -> str:
    figures = []
    for item in items[:MAX_DUPLICATES]:
        pictures = "".join(
            f"<div>{_image(photos[place], _place_text(place))}"
            f"<figcaption>{markup.text(_place_text(place))}</figcaption></div>"
            for place in item.places[:MAX_MEMBERS]
        )
        tag = '<span class="tag">across splits</span> ' * item.across_splits
        figures.append(
            f'<figure><div class="row">{pictures}</div><figcaption>{tag}'
            f"{markup.text(_difference_text(item))}</figcaption></figure>"
        )
    return f'<div class="gallery">{"".join(figures)}</div>'


def _place_text(place: Place) -> str:
    return f"{place.image_id} · {place.split} of {place.dataset}"


def _difference_text(item: ExactDuplicates | NearDuplicates) -> str:
    if isinstance(item, ExactDuplicates):
        labels = "equal labels" if item.same_label else "different labels"
        return f"{len(item.places)} photos, {labels}"
    return f"thumbnails differ by {item.difference:.1f} of 255"
