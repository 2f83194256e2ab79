import json

import numpy as np
import pytest

from fashionjax.data.__main__ import main
from fashionjax.data.label_maps import IMATERIALIST_9
from fashionjax.data.stratified import s3_sizes
from fashionjax.data.synthesize import drawn_photo

IDS = [f"{i:04d}" for i in range(1, 31)]


def test_prepare_prints_counts_and_place(write_ccp, tmp_path, capsys):
    raw, _ = write_ccp(IDS)
    words = ["prepare", "ccp", f"--raw={raw}", f"--data_dir={tmp_path / 'data'}"]
    folder = tmp_path / "data/ccp/s0_90_10/1.0.0"
    assert main([*words, "--split=s0_90_10"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(
        f"ccp prepared: 27 train, 3 val\nin {folder}\ndescribed in {folder}/README.md\n"
        "ccp_59 "
    )
    assert printed.count("\n") == 3 + 1 + 59 + 1
    assert main([*words, "--split=s0_90_10"]) == 0
    assert "ccp is there already: 27 train, 3 val" in capsys.readouterr().out


def test_instances_say_how_much_is_covered(tmp_path, capsys):
    raw = f"--raw={tmp_path / 'raw'}"
    assert main(["synthesize", "fashionpedia", raw, "--count=10"]) == 0
    assert capsys.readouterr().out == (
        f"fashionpedia: 10 drawn photos in {tmp_path / 'raw'}\n"
    )
    assert main(["prepare", "fashionpedia", raw, f"--data_dir={tmp_path}"]) == 0
    counts, _, _, covered, *_ = capsys.readouterr().out.splitlines()
    assert counts == "fashionpedia prepared: 8 train, 2 val"
    assert "% of the labelled pixels lie below other things: " in covered


def test_weights_are_a_table(write_ccp, tmp_path, capsys):
    raw, _ = write_ccp(IDS)
    words = ["ccp", f"--data_dir={tmp_path / 'data'}"]
    assert main(["prepare", *words, f"--raw={raw}"]) == 0
    capsys.readouterr()
    words += ["--label_map=ccp_4", "--size=12x9", "--threshold=0.9"]
    assert main(["weights", *words]) == 0
    head, *rows, end = capsys.readouterr().out.splitlines()
    columns = ["images", "pixels", "median_frequency", "enet", "repeat"]
    assert head.split() == columns
    assert [row.split()[0] for row in rows] == ["background", "clothes", "hair", "skin"]
    # Labels are drawn evenly from 59 ids, of which one each is not clothes.
    assert rows[1].split()[1:3] == ["100.000", "%"]
    assert rows[1].split()[-1] == "1"
    assert "with --config.data.repeat_threshold=0.9 an epoch is" in end


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("--label_map=cfpd_4", "label map 'cfpd_4' is not for ccp"),
        ("--threshold=2", "repeat threshold 2.0; allowed is 0"),
    ],
)
def test_weights_of_nothing_are_refused(write_ccp, tmp_path, capsys, word, message):
    raw, _ = write_ccp(IDS)
    words = ["ccp", f"--data_dir={tmp_path / 'data'}"]
    assert main(["prepare", *words, f"--raw={raw}"]) == 0
    assert main(["weights", *words, "--label_map=ccp_4", "--size=6x4", word]) == 1
    assert message in capsys.readouterr().err


def test_prepare_writes_the_caches_of_a_size(write_ccp, tmp_path, capsys):
    raw, _ = write_ccp(IDS)
    words = ["prepare", "ccp", f"--raw={raw}", f"--data_dir={tmp_path}"]
    words += ["--split=s0_90_10", "--size=10x8"]
    assert main([*words, "--label_map=ccp_4"]) == 0
    _, _, _, *sizes, title = capsys.readouterr().out.splitlines()[:6]
    assert sizes == ["train: 27 at 10x8", "val: 3 at 10x8"]
    assert title.split() == ["ccp_4", "before", "after", "class"]
    (folder,) = (tmp_path / "ccp/s0_90_10/1.0.0/resized").iterdir()
    assert folder.name.startswith("10x8-ccp_4-")
    assert main(words) == 1
    assert "--size needs --label_map" in capsys.readouterr().err
    assert main([*words, "--label_map=cfpd_4"]) == 1
    assert "label map 'cfpd_4' is not for ccp" in capsys.readouterr().err


def test_a_stratified_split_says_how_alike_its_parts_are(tmp_path, capsys):
    raw = f"--raw={tmp_path / 'raw'}"
    assert main(["synthesize", "imaterialist2019", raw, "--count=30"]) == 0
    assert main(["prepare", "imaterialist2019", raw, f"--data_dir={tmp_path}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("Photos that contain each category:") + 1
    title, *rows = lines[start : start + 1 + 46]
    kept = [p for p in map(drawn_photo, range(30)) if 11 not in p.category_ids]
    train, val, test = s3_sizes(len(kept))
    assert title.split() == [
        *["%", "of", "images", "all", f"{len(kept)}"],
        *["train", f"{train}", "val", f"{val}", "test", f"{test}"],
    ]
    (dress,) = [row.split() for row in rows if row.startswith("dress")]
    share = np.mean([10 in photo.category_ids for photo in kept])
    assert dress[1] == f"{100 * share:.3f}"
    deviations = np.array(dress[2:], float)
    assert deviations @ [train, val, test] == pytest.approx(0, abs=0.1)
    assert np.abs(deviations).max() < 60
    # What S3 divides by: each class has its share in each split, as far as 30 allow.
    start = lines.index("Photos that contain each merged class:") + 1
    again, *rows = lines[start : start + 1 + 8]
    assert again == title
    ids = json.loads(next(tmp_path.rglob("image_ids.json")).read_text())
    target = IMATERIALIST_9.target_of
    tags = {
        s: np.array(
            [
                np.isin(
                    range(1, 9),
                    [target[c] for c in drawn_photo(int(i, 16)).category_ids.tolist()],
                )
                for i in members
            ]
        )
        for s, members in ids.items()
    }
    shares = 100 * np.concatenate([*tags.values()]).mean(axis=0)
    off = np.stack([100 * found.mean(axis=0) - shares for found in tags.values()])
    for row, name, share, by_split in zip(
        rows, IMATERIALIST_9.class_names[1:], shares, off.T, strict=True
    ):
        told = row.split()
        assert told[0] == name
        np.testing.assert_allclose(
            np.array(told[1:], float), [share, *by_split], atol=1e-3
        )


def test_errors_are_told_in_a_line(tmp_path, capsys):
    words = ["prepare", "ccp", f"--raw={tmp_path}", f"--data_dir={tmp_path / 'data'}"]
    assert main(words) == 1
    assert capsys.readouterr().err.startswith(f"error: {tmp_path} is no CCP folder.")


def test_an_unknown_dataset_lists_the_known_ones(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["prepare", "imagenet"])
    assert stop.value.code == 2
    assert "'imagenet' (choose from" in capsys.readouterr().err
