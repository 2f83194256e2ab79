import pytest

from fashionjax.data.categories import FASHIONPEDIA_CATEGORIES
from fashionjax.data.prepare import prepare
from fashionjax.data.synthesize import synthesize

IDS = [f"{i:04d}" for i in range(1, 31)]


def _table(card, title):
    """The rows of a section's table, as lists of cells."""
    section = card.split(f"\n## {title}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def test_a_card_tells_what_is_there_and_where_it_comes_from(write_ccp, tmp_path):
    raw, _ = write_ccp(IDS)
    (raw / "photos/0003.jpg").write_bytes(b"")
    done = prepare("ccp", raw, tmp_path / "data", max_bad_fraction=0.1)
    assert done.card == done.directory / "README.md"
    card = done.card.read_text()
    assert card.startswith("# Clothing Co-Parsing: photos with 59 labels a pixel.\n")
    for line in (
        "| Dataset | `ccp`, format 1.0.0 |",
        "| Divided by | `hash_80_10_10`: 80/10/10 by file name. |",
        "| Photos with labels | 30; published are 1,004, 974 fewer here |",
        "| Licence, as its publishers state it | Apache-2.0 |",
        "| Made from | 30 photos, 30 labels; SHA-256 of their names and sizes"
        f" `{done.raw['sha256']}`, of the annotations `{done.raw['content_sha256']}` |",
    ):
        assert line in card
    splits = [(row[0], int(row[1])) for row in _table(card, "Splits")]
    assert splits == list(done.num_examples.items())
    labels = _table(card, "Labels")
    assert (len(labels), labels[0], labels[41]) == (59, ["0", "null"], ["41", "skin"])
    ((photo, reason),) = _table(card, "Left out")
    assert photo == "0003"
    assert "cannot decode" in reason
    assert "prepare ccp --split=hash_80_10_10 --data_dir=DIR --verify" in card


def test_a_card_of_instances_counts_their_photos(tmp_path):
    synthesize("fashionpedia", tmp_path / "raw", 20)
    done = prepare(
        "fashionpedia", tmp_path / "raw", tmp_path / "data", scheme="val_halved"
    )
    card = done.card.read_text()
    assert "Nothing: every photo could be read" in card
    rows = _table(card, "Labels")
    assert [row[1] for row in rows] == list(FASHIONPEDIA_CATEGORIES)
    visible, hidden = done.overlap["visible"], done.overlap["hidden"]
    for number, (_, _, train, val, test, share) in enumerate(rows):
        pixels = visible.get(str(number), 0) + hidden.get(str(number), 0)
        assert (int(train) + int(val) + int(test) > 0) == (pixels > 0)
        assert int(train) <= done.num_examples["train"]
        if pixels:
            expected = 100 * hidden.get(str(number), 0) / pixels
            assert float(share[:-1]) == pytest.approx(expected, abs=0.06)
