"""The page on which somebody judges the crops that a refinement left over."""

import dataclasses
import html
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from fashionjax.constants import BACKGROUND, IGNORE_INDEX
from fashionjax.report.style import STYLE
from fashionjax.visualize import overlay

PAGE = "review.html"
PICTURES = "review"

_HEIGHT = 320
_ANNOTATED = (37, 99, 235)
_PERSON = (245, 158, 11)
_QUALITY = 88


@dataclasses.dataclass(frozen=True)
class LeftOver:
    """A photo that nobody but a person can decide on.

    Attributes:
        image_id: What it is called.
        image: RGB photo, 0..255.
        label: 0 background, 255 ignored, all else annotated.
        columns: The first column of the crop to judge, and the one after its last.
        boxes: x1, y1, x2, y2 in pixels, and score, of each person found.
        note: What to tell of it.
        accepted: An earlier verdict; None: there is none.
    """

    image_id: str
    image: UInt8[np.ndarray, "height width 3"]
    label: UInt8[np.ndarray, "height width"]
    columns: tuple[int, int]
    boxes: Sequence[Sequence[float]]
    note: str
    accepted: bool | None = None


def write_review(
    folder: Path,
    left_over: Iterable[LeftOver],
    facts: Mapping[str, str],
    unreadable: Mapping[str, str],
) -> Path:
    """Writes `review.html` and its pictures in `review/`.

    The page needs no network. It saves the verdicts as `review.csv`, through the
    browser's download.

    Args:
        folder: Where to; older pages there are replaced.
        left_over: The photos, in the order to show; one at a time is in memory.
        facts: What to tell above them, by name.
        unreadable: Photos that could not be looked at: the reason by image id.

    Returns:
        The page, written after all of its pictures.

    Raises:
        OSError: A file cannot be written.
    """
    page, pictures = folder / PAGE, folder / PICTURES
    page.unlink(missing_ok=True)
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir(parents=True)
    figures = []
    for position, item in enumerate(left_over):
        name = f"{position:05d}"
        for kind, picture in (("photo", draw_photo(item)), ("crop", draw_crop(item))):
            picture.save(pictures / f"{name}-{kind}.jpg", quality=_QUALITY)
        figures.append(_figure(name, item))
    unfinished = page.with_name(f"{PAGE}.unfinished")
    unfinished.write_text(_document(facts, figures, unreadable), encoding="utf-8")
    unfinished.replace(page)
    return page


def draw_photo(item: LeftOver) -> Image.Image:
    """The photo: outside the crop darker, the annotation in colour, persons framed."""
    annotated = (item.label != BACKGROUND) & (item.label != IGNORE_INDEX)
    painted = overlay(
        item.image, annotated.astype(np.uint8), ((0, 0, 0), _ANNOTATED), alpha=0.2
    )
    start, stop = item.columns
    painted[:, :start] //= 2
    painted[:, stop:] //= 2
    picture, scale = _scaled(painted)
    pen = ImageDraw.Draw(picture)
    for x1, y1, x2, y2, _ in item.boxes:
        corners = [round(n * scale) for n in (x1, y1, x2, y2)]
        pen.rectangle(corners, outline=_PERSON, width=2)
    return picture


def draw_crop(item: LeftOver) -> Image.Image:
    """What is kept if the crop is accepted."""
    return _scaled(item.image[:, slice(*item.columns)])[0]


def _scaled(image: UInt8[np.ndarray, "height width 3"]) -> tuple[Image.Image, float]:
    """The picture at the page's height, and the factor to it."""
    scale = _HEIGHT / image.shape[0]
    size = max(1, round(image.shape[1] * scale)), _HEIGHT
    return Image.fromarray(image).resize(size, Image.Resampling.BILINEAR), scale


def _text(value: object) -> str:
    """Escapes text for the page."""
    return html.escape(str(value))


def _figure(name: str, item: LeftOver) -> str:
    image_id = _text(item.image_id)
    pictures = "".join(
        f'<img src="{PICTURES}/{name}-{kind}.jpg" loading="lazy" height="{_HEIGHT}"'
        f' alt="{kind} of {image_id}">'
        for kind in ("photo", "crop")
    )
    choices = "".join(
        f'<label class="{verdict}"><input type="radio" name="v{name}"'
        f' value="{verdict}"{" checked" * (item.accepted is accepted)}>'
        f"{verdict.capitalize()}</label>"
        for verdict, accepted in (("accept", True), ("reject", False))
    )
    return (
        f'<figure tabindex="0" data-id="{image_id}"><div class="pair">{pictures}</div>'
        f'<figcaption><span class="name">{image_id}<small>{_text(item.note)}</small>'
        f'</span><span class="choice">{choices}</span></figcaption></figure>'
    )


def _list(unreadable: Mapping[str, str]) -> str:
    """What nobody can judge."""
    if not unreadable:
        return ""
    rows = "".join(
        f"<tr><td>{_text(image_id)}</td><td>{_text(reason)}</td></tr>"
        for image_id, reason in unreadable.items()
    )
    return (
        f'<details class="unreadable" open><summary>Cannot be read:'
        f" {len(unreadable):,}. The command tries again each time it is run; until then"
        f" they are left out.</summary><table>{rows}</table></details>"
    )


def _document(
    facts: Mapping[str, str], figures: Sequence[str], unreadable: Mapping[str, str]
) -> str:
    rows = "".join(
        f"<div><dt>{_text(name)}</dt><dd>{_text(value)}</dd></div>"
        for name, value in facts.items()
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Photos to judge</title>
<style>{STYLE}{_STYLE}</style>
</head>
<body>
<main>
<header><h1>Photos to judge</h1>
<p class="note">{len(figures):,} photos show several persons however they are cropped.
Left the photo with the annotation in blue, the persons found in frames, and what the
crop leaves out darkened; right the crop. Accept it if its clothes are those that are
annotated. Keys: <kbd>a</kbd> accept, <kbd>r</kbd> reject, and on to the next.</p>
</header>
<dl class="facts">{rows}</dl>
{_list(unreadable)}
<div class="bar-top"><span id="count"></span><button id="save">Save review.csv</button>
<span class="hint">Put the file beside this page and run the same command again. What
has no verdict is left out.</span></div>
<div class="left-over">{"".join(figures)}</div>
</main>
<script>{_SCRIPT}</script>
</body>
</html>
"""


_STYLE = """
main { max-width: 1560px; }
kbd { border: 1px solid var(--line); border-radius: 4px; padding: 0 5px;
  background: var(--surface); font: 13px ui-monospace, Menlo, Consolas, monospace; }
.bar-top { position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap;
  gap: 6px 16px; align-items: center; background: var(--page); padding: 12px 0;
  border-bottom: 1px solid var(--line); margin: 12px 0 16px; }
.bar-top .hint { color: var(--muted); font-size: 13px; }
#count { font-weight: 600; font-variant-numeric: tabular-nums; }
button { font: inherit; font-weight: 600; color: #fff; background: #2563eb; border: 0;
  border-radius: 8px; padding: 7px 14px; cursor: pointer; }
.left-over { display: flex; flex-wrap: wrap; gap: 12px; align-items: flex-start; }
.left-over figure { background: var(--surface); border: 1px solid var(--line);
  border-radius: 10px; padding: 8px; max-width: 100%; scroll-margin-top: 80px; }
.left-over figure:focus { outline: 2px solid var(--accent); outline-offset: 1px; }
.left-over figure:has([value=accept]:checked) { border-color: #16a34a;
  box-shadow: inset 0 3px #16a34a; }
.left-over figure:has([value=reject]:checked) { border-color: #dc2626;
  box-shadow: inset 0 3px #dc2626; }
.unreadable { margin: 12px 0; }
.unreadable table { font-size: 13px; border-spacing: 0 2px; }
.unreadable td { padding-right: 16px; overflow-wrap: anywhere; vertical-align: top; }
.pair { display: flex; gap: 6px; overflow-x: auto; }
.pair img { width: auto; max-width: none; border-radius: 5px; }
.left-over figcaption { display: flex; flex-wrap: wrap; gap: 6px 20px;
  justify-content: space-between; align-items: center; padding: 8px 2px 0; }
.left-over .name { font-weight: 600; overflow-wrap: anywhere; }
.left-over small { display: block; color: var(--muted); font-weight: 400;
  font-size: 12px; }
.choice { display: flex; gap: 14px; white-space: nowrap; }
.choice label { cursor: pointer; display: flex; align-items: center; gap: 5px; }
.accept input { accent-color: #16a34a; }
.reject input { accent-color: #dc2626; }
"""

_SCRIPT = r"""
const figures = [...document.querySelectorAll("figure")];
const verdict = f => f.querySelector("input:checked")?.value;
let saved = true;
function count() {
  const judged = figures.map(verdict).filter(Boolean);
  const accepted = judged.filter(v => v === "accept").length;
  document.getElementById("count").textContent =
    `${judged.length} of ${figures.length} judged, ${accepted} accepted`;
}
const quoted = text => `"${text.replaceAll('"', '""')}"`;
document.addEventListener("change", () => { saved = false; count(); });
document.addEventListener("keydown", event => {
  const choice = {a: "accept", r: "reject"}[event.key];
  if (!choice || event.ctrlKey || event.metaKey || event.altKey) return;
  const focused = document.activeElement.closest("figure");
  const figure = focused ?? figures.find(f => !verdict(f));
  if (!figure) return;
  figure.querySelector(`[value=${choice}]`).checked = true;
  saved = false;
  count();
  figures[figures.indexOf(figure) + 1]?.focus();
});
document.getElementById("save").addEventListener("click", () => {
  const lines = figures.filter(verdict)
    .map(f => `${quoted(f.dataset.id)},${verdict(f)}\n`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(
    new Blob(["image_id,verdict\n", ...lines], {type: "text/csv"}));
  link.download = "review.csv";
  link.click();
  saved = true;
});
addEventListener("beforeunload", event => { if (!saved) event.preventDefault(); });
count();
"""
