"""Tests of the page and the numbers as a whole."""

import html.parser
import json

import numpy as np
import pytest

from fashionjax.data.__main__ import main
from fashionjax.data.detector import Detections
from fashionjax.data.label_maps import CCP_59, FASHIONPEDIA_47, IMATERIALIST_9
from fashionjax.data.synthesize import drawn_photo
from fashionjax.doctor.command import Request, examine
from fashionjax.doctor.datasets import StoredDataset, open_dataset
from tests.doctor.toy import (
    STORED,
    ListSource,
    compressed,
    dataset,
    example,
    smooth_photo,
)

IDS = [f"{i:04d}" for i in range(1, 21)]


class _Page(html.parser.HTMLParser):
    """The words of a page and the addresses of what it shows."""

    def __init__(self, text):
        super().__init__()
        self.words, self.addresses, self.images = "", [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.images += tag == "img"
        named = ("src", "srcset", "href")
        self.addresses += [value for name, value in attrs if name in named]

    def handle_data(self, data):
        self.words += f"{data}\n"


@pytest.fixture
def toy():
    """Three photos in train; test has one as JPEG, one again, and another."""
    first, second = smooth_photo(1), smooth_photo(2)
    train = [example("a", first), example("b", second), example("c")]
    test = [example("d", compressed(first)), example("e", second), example("f")]
    return dataset({"train": train, "test": test}, quarantine={"q": "it is cut off"})


def test_page_and_numbers_tell_what_is_in_the_dataset(toy, tmp_path):
    boxes = np.array([[10, 10, 40, 100], [40, 10, 70, 100]], np.float32)
    two = Detections(boxes, np.array([0.9, 0.8], np.float32))
    people = {"a": two, "c": two.select(np.array([True, False]))}
    examine([Request(toy, detector=people)], tmp_path, per_class=2)
    numbers = json.loads((tmp_path / "doctor.json").read_text())
    (told,) = numbers["datasets"]
    assert told["num_images"] == {"train": 3, "test": 3}
    assert told["people"] == {"0": ["b", "d", "e", "f"], "1": ["c"], "2": ["a"]}
    assert told["sizes"]["height"]["mean"] == 120
    stored, merged = told["maps"]
    labels = [e["label"] for s in toy.sources.values() for e in s.examples]
    assert stored["splits"]["all"]["pixels"] == [
        int(sum((label == i).sum() for label in labels)) for i in range(4)
    ]
    assert stored["splits"]["test"]["images"] == [3, 3, 3, 3]
    assert (merged["name"], merged["num_dropped"]) == ("merged", 6)

    (exact,), (near,), num_near = numbers["duplicates"].values()
    assert num_near == 1
    assert [place["image_id"] for place in exact["places"]] == ["b", "e"]
    assert [place["image_id"] for place in near["places"]] == ["a", "d"]
    assert exact["across_splits"]
    assert near["across_splits"]
    assert not exact["same_label"]

    page = _Page((tmp_path / "index.html").read_text())
    assert all(address.startswith("data:image/") for address in page.addresses)
    # Two figures, three sizes, six examples, 3 classes of two, two duplicates of two,
    # one with two people.
    assert page.images == 2 + 3 + 6 + 6 + 4 + 1
    for words in (
        "Dataset toy",
        "3 train, 3 test",
        "it is cut off",
        "coat <b>",
        "merged: 4 source classes to 2, 6 images left out",
        "different labels",
        "across splits",
        "1 of 6 images show several people",
        "smallest: 80 × 120 · a · train",
    ):
        assert words in page.words, words


def test_duplicates_across_datasets_are_found(toy, tmp_path):
    other = StoredDataset(
        "other", (STORED,), {"test": ListSource([example("z", smooth_photo(2))])}
    )
    summary = examine([Request(toy), Request(other)], tmp_path, per_class=0)
    (exact,) = summary.duplicates.exact
    places = [(place.dataset, place.split, place.image_id) for place in exact.places]
    assert places == [
        ("toy", "train", "b"),
        ("toy", "test", "e"),
        ("other", "test", "z"),
    ]
    page = _Page((tmp_path / "index.html").read_text())
    assert "Datasets toy, other" in page.words
    assert "z · test of other" in page.words


def test_one_split_of_two_datasets_is_two_places(tmp_path):
    """Training on one dataset and testing on the other would meet the photo twice."""
    requests = [
        Request(StoredDataset(name, (STORED,), {"test": ListSource([example("z")])}))
        for name in ("one", "other")
    ]
    (exact,) = examine(requests, tmp_path, per_class=0).duplicates.exact
    assert exact.across_splits
    assert exact.same_label


def test_the_page_is_the_same_every_time(toy, tmp_path):
    for name in ("one", "two"):
        examine([Request(toy)], tmp_path / name, threads=3)
    files = [(tmp_path / name / "index.html").read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]


def test_two_datasets_of_a_name_are_refused(toy, tmp_path):
    with pytest.raises(ValueError, match="allowed are different names"):
        examine([Request(toy), Request(toy)], tmp_path)


def test_label_maps_of_other_ids_are_refused():
    with pytest.raises(ValueError, match="'ccp_59' is for other ids than 'stored'"):
        StoredDataset("toy", (STORED, CCP_59), {})


@pytest.fixture
def ccp(write_ccp, tmp_path):
    """A prepared CCP: its folder, the raw one and the raw labels."""
    raw, labels = write_ccp(IDS, size=(90, 70))
    words = [f"--raw={raw}", f"--data_dir={tmp_path / 'data'}"]
    assert main(["prepare", "ccp", "--split=s0_90_10", *words]) == 0
    return tmp_path / "data", raw, labels


def test_the_command_examines_prepared_ccp(ccp, tmp_path, capsys):
    data_dir, raw, labels = ccp
    out = tmp_path / "out"
    words = [f"--data_dir={data_dir}", f"--raw={raw}", f"--out={out}", "--examples=0"]
    assert main(["doctor", "ccp", *words]) == 0
    printed = capsys.readouterr().out
    # The photos of the fixture have one colour each.
    assert "ccp: 20 images, problems: 20\n" in printed
    assert f"page: {out / 'index.html'}" in printed
    (told,) = json.loads((out / "doctor.json").read_text())["datasets"]
    assert told["num_images"] == {"train": 18, "val": 2}
    everything = np.stack(list(labels.values()))
    pixels = told["maps"][0]["splits"]["all"]["pixels"]
    assert pixels == np.bincount(everything.ravel(), minlength=59).tolist()
    assert told["sizes_of"] == "of the raw files"
    command = f"python -m fashionjax.data doctor ccp --data_dir={data_dir}"
    assert command in _Page((out / "index.html").read_text()).words


def test_a_dataset_of_two_folders_has_two_names(ccp, tmp_path, capsys):
    data_dir, *_ = ccp
    words = [
        "doctor",
        "ccp",
        "ccp",
        f"--data_dir={data_dir}",
        f"--out={tmp_path / 'o'}",
    ]
    assert main([*words, "--examples=0"]) == 0
    printed = capsys.readouterr().out
    assert "ccp-2: 20 images" in printed
    assert "20 exact groups" in printed


def test_several_schemes_are_a_choice(ccp):
    data_dir, raw, _ = ccp
    words = [f"--raw={raw}", f"--data_dir={data_dir}"]
    assert main(["prepare", "ccp", "--split=hash_80_10_10", *words]) == 0
    with pytest.raises(ValueError, match="splits hash_80_10_10, s0_90_10; choose one"):
        open_dataset("ccp", data_dir)
    assert set(open_dataset("ccp", data_dir, "s0_90_10").sources) == {"train", "val"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "ccp is not prepared in"),
        (["--data_dir=a", "--data_dir=b"], "2 times --data_dir for 1 datasets"),
    ],
)
def test_errors_are_told_in_a_line(tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.setenv("FASHIONJAX_DATA", str(tmp_path))
    assert main(["doctor", "ccp", f"--out={tmp_path / 'out'}", *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1


def test_an_unknown_dataset_lists_the_known_ones(tmp_path, capsys):
    with pytest.raises(ValueError, match="dataset 'imagenet'; allowed are ccp"):
        open_dataset("imagenet", tmp_path)
    with pytest.raises(SystemExit):
        main(["doctor", "imagenet", "--out=out"])
    assert "'imagenet' (choose from" in capsys.readouterr().err


def test_any_label_map_of_a_dataset_can_be_shown(tmp_path, capsys):
    raw, data = f"--raw={tmp_path / 'raw'}", f"--data_dir={tmp_path / 'data'}"
    assert main(["synthesize", "imaterialist2020", raw, "--count=12"]) == 0
    assert main(["prepare", "imaterialist2020", raw, data]) == 0
    words = ["doctor", "imaterialist2020", data, "--examples=1"]
    assert main([*words, f"--out={tmp_path / 'a'}"]) == 0
    capsys.readouterr()
    assert main([*words, f"--out={tmp_path / 'b'}", "--label_map=imaterialist_9"]) == 0
    printed = capsys.readouterr().out
    photos = [drawn_photo(i) for i in range(12)]
    labels = [IMATERIALIST_9.paint(p.masks, p.category_ids) for p in photos]
    kept = [m for m, p in zip(labels, photos, strict=True) if 11 not in p.category_ids]
    pixels = np.concatenate([label.ravel() for label in kept])
    names = FASHIONPEDIA_47.source_names
    for out in "ab":
        (told,) = json.loads((tmp_path / out / "doctor.json").read_text())["datasets"]
        (nine,) = [m for m in told["maps"] if m["name"] == "imaterialist_9"]
        assert (told["maps"][0] is nine) == (out == "b")
        assert nine["num_dropped"] == 12 - len(kept)
        counted = nine["splits"]["all"]["pixels"]
        assert counted == np.bincount(pixels, minlength=9).tolist()
        sources = told["sources"]
        assert sources["names"] == list(names)
        # Also of categories that no pixel of the painted label shows.
        assert sources["images"]["all"] == [
            sum(p.masks[p.category_ids == i].any() for p in photos) for i in range(46)
        ]
        page = _Page((tmp_path / out / "index.html").read_text())
        assert "Categories" in page.words
        assert "imaterialist_9: 46 source classes to 9" in page.words
    (line,) = [li for li in printed.splitlines() if li.startswith("bag, wallet")]
    before = sum(p.masks[p.category_ids == 24].any(0).sum() for p in photos)
    share = before / sum(p.image[..., 0].size for p in photos)
    after = (pixels == 8).mean()
    assert line.split() == [
        *["bag,", "wallet", f"{100 * share:.3f}", f"{100 * after:.3f}", "bag"]
    ]
    assert "jumpsuit (leaves the image out)" in printed
    assert f"{12 - len(kept)} images left out" in printed


def test_an_unknown_label_map_is_refused(ccp):
    message = "label map 'x'; allowed for ccp are ccp_59, ccp_4, ccp_4_bare"
    with pytest.raises(ValueError, match=message):
        open_dataset("ccp", ccp[0], label_map="x")


@pytest.mark.parametrize("name", ["fashionpedia", "cfpd"])
def test_drawn_raw_files_are_examined_under_their_names(name, tmp_path):
    raw, data = f"--raw={tmp_path / 'raw'}", f"--data_dir={tmp_path / 'data'}"
    assert main(["synthesize", name, raw, "--count=10"]) == 0
    assert main(["prepare", name, raw, data]) == 0
    assert main(["doctor", name, data, f"--out={tmp_path / 'out'}"]) == 0
    (told,) = json.loads((tmp_path / "out/doctor.json").read_text())["datasets"]
    assert sum(told["num_images"].values()) == 10
    page = (tmp_path / "out/index.html").read_text()
    assert {"fashionpedia": "neckline", "cfpd": "stocking"}[name] in page
