import numpy as np
import pytest

from fashionjax.data.detector import Detections
from fashionjax.data.refine import (
    PATHS,
    UNREADABLE,
    Decision,
    Example,
    Outcome,
    add_margin,
    annotated_columns,
    decide,
    kept_columns,
    looking_at,
    looking_up,
    read_decisions,
    read_verdicts,
    refine,
    summarize,
)

HEIGHT, WIDTH = 50, 400
# Fake persons are stripes of one brightness each, fully seen or not at all.
PERSON_WIDTH = 20


def photo_of(*starts):
    """A photo with a bright stripe at each place."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for start in starts:
        image[10:40, start : start + PERSON_WIDTH] = 255
    return image


def label_at(start, stop):
    label = np.zeros((HEIGHT, WIDTH), np.uint8)
    label[12:38, start:stop] = 3
    return label


def detect(image):
    """Finds the stripes that are seen in full width."""
    bright = np.concatenate([[0], image[20, :, 0] > 0, [0]]).astype(int)
    starts, stops = (np.flatnonzero(np.diff(bright) == sign) for sign in (1, -1))
    rows = [
        [start, 10, stop, 40]
        for start, stop in zip(starts, stops, strict=True)
        if stop - start == PERSON_WIDTH
    ]
    boxes = np.array(rows, np.float32).reshape(-1, 4)
    return Detections(boxes, np.full(len(boxes), 0.9, np.float32))


def decided(label, *starts, **options):
    return decide("a", label, looking_at(photo_of(*starts), detect), **options)


def test_the_columns_of_an_annotation():
    label = label_at(100, 200)
    label[0, 300] = 255  # ignored pixels are not annotated
    assert annotated_columns(label) == (100, 200)
    assert annotated_columns(np.zeros_like(label)) is None


@pytest.mark.parametrize(
    ("percent", "expected"), [(30, (70, 230)), (10, (90, 210)), (0, (100, 200))]
)
def test_margins_are_percents_of_the_annotation(percent, expected):
    assert add_margin((100, 200), percent, WIDTH) == expected


def test_margins_end_at_the_photo():
    assert add_margin((10, 390), 30, WIDTH) == (0, 400)
    # 30 % of 15 columns are 4.5.
    assert add_margin((100, 115), 30, WIDTH) == (95, 120)


@pytest.mark.parametrize("starts", [(), (140,)])
def test_one_person_or_none_is_left_alone(starts):
    decision = decided(label_at(100, 200), *starts)
    assert (decision.path, decision.columns) == ("whole", (0, WIDTH))
    assert decision.persons == (len(starts),)


# The annotation ends at 200: margins of 30, 10 and 0 % reach to 230, 210 and 200.
@pytest.mark.parametrize(
    ("stranger", "path", "columns", "persons"),
    [
        (300, "crop_30", (70, 230), (2, 1)),
        (211, "crop_30", (70, 230), (2, 1)),
        (210, "crop_10", (90, 210), (2, 2, 1)),
        (191, "crop_10", (90, 210), (2, 2, 1)),
        (190, "crop_0", (100, 200), (2, 2, 2, 1)),
        (181, "crop_0", (100, 200), (2, 2, 2, 1)),
        (180, "review", (100, 200), (2, 2, 2, 2)),
    ],
)
def test_the_widest_crop_with_one_person_is_taken(stranger, path, columns, persons):
    decision = decided(label_at(100, 200), 110, stranger)
    assert decision.path == path
    assert decision.columns == columns
    assert decision.persons == persons
    assert decision.size == (HEIGHT, WIDTH)
    assert [box[0] for box in decision.boxes] == [110, stranger]


def test_a_photo_of_two_without_annotation_is_left_over():
    decision = decided(np.zeros((HEIGHT, WIDTH), np.uint8), 10, 300)
    assert (decision.path, decision.columns) == ("review", (0, WIDTH))


def test_persons_need_the_score():
    label = label_at(100, 200)
    assert decided(label, 110, 300, min_score=0.9).path == "crop_30"
    assert decided(label, 110, 300, min_score=0.91).path == "whole"


def test_recorded_detections_lead_to_the_same_crops():
    paths = []
    for stranger in (300, 221, 220, 201, 200, 191, 190):
        look = looking_up(detect(photo_of(110, stranger)))
        paths.append(decide("a", label_at(100, 200), look).path)
        # Half of the stranger is enough to be seen, which the detector needs whole.
        assert paths[-1] == decided(label_at(100, 200), 110, stranger - 10).path
    assert paths == [*["crop_30"] * 2, *["crop_10"] * 2, *["crop_0"] * 2, "review"]


def examples_of(starts_by_id):
    def reader(starts):
        return lambda: (photo_of(110, *starts), label_at(100, 200))

    return [Example(name, reader(starts)) for name, starts in starts_by_id.items()]


SIX = {"a": [], "b": [300], "c": [215], "d": [205], "e": [185], "f": [150]}
SIX_PATHS = ["whole", "crop_30", "crop_30", "crop_10", "crop_0", "review"]


def run(folder, examples=None, detector=detect, **options):
    identity = options.pop("identity", {"sha256": "1"})
    examples = examples_of(SIX) if examples is None else examples
    return refine(examples, detector, folder, detector_identity=identity, **options)


@pytest.mark.parametrize("num_threads", [1, 3])
def test_every_photo_gets_its_decision(tmp_path, num_threads):
    outcome = run(tmp_path / "new" / "folder", num_threads=num_threads)
    decisions = outcome.decisions
    assert [d.image_id for d in decisions] == list(SIX)
    assert [d.path for d in decisions] == SIX_PATHS
    assert read_decisions(tmp_path / "new" / "folder") == decisions
    assert summarize(outcome, {}) == {
        "images": 6,
        "several_persons": 5,
        "dropped": 0,
        "whole": 1,
        "crop_30": 2,
        "crop_10": 1,
        "crop_0": 1,
        "review": 1,
        "unreadable": 0,
        "accepted": 0,
        "rejected": 0,
        "open": 1,
        "kept": 5,
    }


@pytest.mark.parametrize("torn", [b"", b'{"image_id": "d", "pa'])
def test_what_was_decided_is_not_decided_again(tmp_path, torn):
    expected = run(tmp_path / "at once")
    looks = []

    def stopped(image):
        looks.append(1)
        if len(looks) > 4:
            raise KeyboardInterrupt
        return detect(image)

    # a needs one look, b and c two each: the fifth does not come back.
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "in parts", detector=stopped)
    path = tmp_path / "in parts/decisions.jsonl"
    assert [d.image_id for d in read_decisions(path.parent)] == ["a", "b"]
    with path.open("ab") as file:
        file.write(torn)
    assert len(read_decisions(path.parent)) == 2
    before = path.read_bytes().removesuffix(torn)

    seen = []
    again = [
        Example(e.image_id, lambda e=e: (seen.append(e.image_id), e.read())[1])
        for e in examples_of(SIX)
    ]
    assert run(tmp_path / "in parts", again) == expected
    assert seen == ["c", "d", "e", "f"]
    assert path.read_bytes().startswith(before)
    assert path.read_bytes() == (tmp_path / "at once/decisions.jsonl").read_bytes()


def test_decisions_of_another_kind_are_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(ValueError, match=r"was made with .*choose another folder"):
        run(tmp_path, min_score=0.5)
    with pytest.raises(ValueError, match="was made with"):
        run(tmp_path, identity={"sha256": "2"})
    with pytest.raises(ValueError, match="is of other photos: 'a' and 5 more"):
        run(tmp_path, examples_of({"z": []}))


def test_bad_photos_are_left_out_up_to_a_limit(tmp_path):
    def bad():
        raise ValueError("cannot decode x.jpg")

    def unequal():
        return photo_of(1), np.zeros((3, 3), np.uint8)

    examples = [*examples_of(SIX), Example("x", bad)]
    with pytest.raises(ValueError, match=r"cannot decode x\.jpg"):
        run(tmp_path / "strict", examples)
    outcome = run(tmp_path, examples, max_bad_fraction=0.2)
    assert [d.image_id for d in outcome.decisions] == list(SIX)
    assert outcome.unreadable == {"x": "cannot decode x.jpg"}
    # Still told, and counted, where all others are decided.
    assert run(tmp_path, examples, max_bad_fraction=0.2) == outcome
    with pytest.raises(ValueError, match=r"y has a photo .* and a label \(3, 3\)"):
        run(tmp_path, [*examples, Example("y", unequal)], max_bad_fraction=0.2)


def test_settings_that_make_no_sense_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"score 70; allowed is 0\.\.1"):
        run(tmp_path, min_score=70)
    with pytest.raises(ValueError, match="'a' occurs more than once"):
        run(tmp_path, examples_of({"a": []}) * 2)
    with pytest.raises(ValueError, match="detections are of none of the photos"):
        run(tmp_path, detector={"1": detect(photo_of())})


def test_recorded_detections_may_lack_photos_of_nobody(tmp_path):
    found = {"f": detect(photo_of(110, 150))}
    decisions = run(tmp_path, detector=found).decisions
    assert [d.path for d in decisions] == ["whole"] * 5 + ["review"]
    assert decisions[0].persons == (0,)


def test_damaged_decisions_are_refused(tmp_path):
    run(tmp_path)
    path = tmp_path / "decisions.jsonl"
    good = path.read_text()
    path.write_text(good.replace("crop_10", "crop_11"))
    with pytest.raises(ValueError, match="path 'crop_11'; allowed are dropped, whole"):
        read_decisions(tmp_path)
    path.write_text(good.replace('"path"', '"way"'))
    with pytest.raises(ValueError, match="damaged entry: KeyError"):
        run(tmp_path)
    with pytest.raises(ValueError, match="cannot read the decisions"):
        read_decisions(tmp_path / "elsewhere")


def test_every_photo_is_counted_once(tmp_path):
    def bad():
        raise ValueError("cannot decode x.jpg")

    looked_at = []
    examples = [
        *examples_of(SIX),
        Example("x", bad),
        Example("jumpsuit", lambda: (photo_of(110, 300), None)),
    ]
    outcome = run(
        tmp_path,
        examples,
        detector=lambda image: looked_at.append(1) or detect(image),
        max_bad_fraction=0.2,
    )
    summary = summarize(outcome, {})
    assert (summary["images"], summary["several_persons"]) == (8, 5)
    assert sum(summary[path] for path in (*PATHS, UNREADABLE)) == 8
    assert [summary[k] for k in ("dropped", "unreadable", "kept")] == [1, 1, 5]
    kept = kept_columns(outcome.decisions, {})
    assert kept["jumpsuit"] is None
    assert "x" not in kept
    assert read_decisions(tmp_path) == outcome.decisions
    assert len(looked_at) == sum(len(d.persons) for d in outcome.decisions)


def left_over(name):
    return Decision(name, "review", (3, 9), (10, 10), (2, 2, 2, 2), ())


def test_verdicts_decide_what_is_kept(tmp_path):
    decisions = [
        Decision("a", "crop_0", (1, 2), (10, 10), (2, 2, 2, 1), ()),
        *map(left_over, ["b", 'c, "the" third', "d"]),
    ]
    path = tmp_path / "review.csv"
    assert read_verdicts(path, decisions) == {}
    path.write_text('image_id,verdict\n"b",reject\n"c, ""the"" third",accept\n')
    verdicts = read_verdicts(path, decisions)
    assert verdicts == {"b": False, 'c, "the" third': True}
    assert kept_columns(decisions, verdicts) == {
        "a": (1, 2),
        "b": None,
        'c, "the" third': (3, 9),
        "d": None,
    }
    summary = summarize(Outcome(decisions, {"e": "damaged"}), verdicts)
    assert [summary[k] for k in ("accepted", "rejected", "open", "kept")] == [
        1,
        1,
        1,
        2,
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("b,accept\n", "needs the columns image_id and verdict"),
        ("image_id,verdict\nb,yes\n", "line 2: verdict 'yes'; allowed are accept"),
        ("image_id,verdict\nb\n", "line 2: verdict ''"),
        ("image_id,verdict\nz,accept\n", "'z' was not left over"),
        ("image_id,verdict\nb,accept\nb,reject\n", "line 3: 'b' was not .* already"),
    ],
)
def test_verdicts_that_make_no_sense_are_refused(tmp_path, text, message):
    path = tmp_path / "review.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_verdicts(path, [left_over("b")])
