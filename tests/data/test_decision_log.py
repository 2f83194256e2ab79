import json

import pytest

from fashionjax.data.decision_log import DecisionLog, read_log

SETTINGS = {"score": 0.5, "margins": [30, 10]}
RECORDS = [{"id": "ä\n"}, {"id": "b", "boxes": [[1.5, 2]]}]


def written(path):
    with DecisionLog(path, SETTINGS) as log:
        for record in RECORDS:
            log.append(record)
    return path.read_bytes()


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "log.jsonl"
    assert len(written(path).splitlines()) == 3
    assert read_log(path) == RECORDS
    with DecisionLog(path, SETTINGS) as log:
        assert log.records == RECORDS
        log.append({"id": "c"})
    assert read_log(path) == [*RECORDS, {"id": "c"}]


def test_cut_off_anywhere_it_goes_on_with_all_complete_lines(tmp_path):
    path = tmp_path / "log.jsonl"
    whole = written(path)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        complete = max(0, whole[:length].count(b"\n") - 1)
        with DecisionLog(path, SETTINGS) as log:
            assert log.records == RECORDS[:complete]
            for record in RECORDS[complete:]:
                log.append(record)
        assert path.read_bytes() == whole


def test_one_process_at_a_time(tmp_path):
    path = tmp_path / "log.jsonl"
    with (
        DecisionLog(path, SETTINGS),
        pytest.raises(ValueError, match="another process writes"),
    ):
        DecisionLog(path, SETTINGS)
    DecisionLog(path, SETTINGS).__exit__()


def test_other_settings_are_refused_and_change_nothing(tmp_path):
    path = tmp_path / "log.jsonl"
    whole = written(path)
    with pytest.raises(ValueError, match=r"made with .*0\.5.*, this is .*0\.6"):
        DecisionLog(path, SETTINGS | {"score": 0.6})
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no JSON\n", "line 1 is no JSON"),
        (json.dumps({"id": "a"}) + "\n", "does not begin with its settings"),
        ("[]\n", "does not begin with its settings"),
        ('{"settings": {}}\n{"id": \n{}\n', "line 2 is no JSON"),
        ('{"settings": {}}\n3\n', "line 2 is no object"),
    ],
)
def test_damage_is_told(tmp_path, text, message):
    path = tmp_path / "log.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        DecisionLog(path, {})
    with pytest.raises(ValueError, match=message):
        read_log(path)
    assert path.read_text() == text
