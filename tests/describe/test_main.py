import xml.etree.ElementTree

import pytest

from fashionjax.describe import __main__ as command
from fashionjax.describe.catalogue import ENTRIES
from tests.integration.conftest import CONFIGS


def test_the_table_ends_with_the_sums_and_the_diagram_is_svg(tmp_path, capsys):
    diagram = tmp_path / "d.svg"
    config = str(CONFIGS / "unet_ext.py")
    assert command.main([config, f"--diagram={diagram}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["part", "shape", "GFLOP"]
    assert "parameters" in lines[-2]
    root = xml.etree.ElementTree.parse(diagram).getroot()
    texts = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"image", "decoder0", "head", "logits", "1/32"} <= set(texts)


def test_a_config_that_is_not_there_is_one_clear_error(capsys):
    assert command.main(["configs/none.py"]) == 1
    assert "there is no config configs/none.py" in capsys.readouterr().err
    assert command.main([f"{CONFIGS / 'unet_ext.py'}:cpp"]) == 1
    assert "no dataset 'cpp'" in capsys.readouterr().err


def test_every_config_of_a_model_is_in_the_table_of_models():
    listed = {entry.config.split(":")[0] for entry in ENTRIES}
    # The recommendation is a recipe for one of them.
    assert listed | {"recommended"} == {path.stem for path in CONFIGS.glob("*.py")}


@pytest.mark.slow
def test_the_page_of_models_is_what_the_code_says(tmp_path):
    command.write_docs(tmp_path)
    docs = CONFIGS.parent / "docs"
    written = {p.relative_to(tmp_path) for p in tmp_path.rglob("*.*")}
    assert len(written) == len(ENTRIES) + 1
    for name in written:
        assert (docs / name).read_text() == (tmp_path / name).read_text(), name
