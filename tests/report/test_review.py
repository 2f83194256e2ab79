import re

import numpy as np
from PIL import Image

from fashionjax.report.review import LeftOver, draw_crop, draw_photo, write_review


def item(image_id="a", **options):
    image = np.full((320, 200, 3), 120, np.uint8)
    label = np.zeros((320, 200), np.uint8)
    label[100:200, 60:140] = 3
    label[300:, :] = 255
    return LeftOver(
        image_id=image_id,
        image=image,
        label=label,
        columns=(50, 150),
        boxes=[(20, 40, 90, 280, 0.8)],
        note="persons: 2; in the crops: 2, 2, 2",
        **options,
    )


def test_the_photo_shows_the_crop_the_annotation_and_the_persons():
    picture = np.array(draw_photo(item()))
    assert picture.shape == (320, 200, 3)
    assert (picture[10, [10, 170]] == 60).all()  # outside of the crop
    assert (picture[10, [51, 149]] == 120).all()
    red, green, blue = picture[150, 100]  # annotated
    assert blue > 120 > red
    assert blue > green
    assert (picture[310, 100] == 120).all()  # ignored pixels are not annotated
    red, green, blue = picture[40, 60]  # a person's frame
    assert red > 200 > green > blue


def test_the_crop_is_the_photo_as_it_is():
    crop = np.array(draw_crop(item()))
    assert crop.shape == (320, 100, 3)
    assert (crop == 120).all()


def test_the_page_has_every_photo_its_pictures_and_verdict(tmp_path):
    names = ["a", '<b>&"', "c/d"]
    accepted = [None, True, False]
    items = [item(n, accepted=a) for n, a in zip(names, accepted, strict=True)]
    facts, unreadable = {"Dataset": "ccp & more"}, {"d": "<cannot> decode"}
    page = write_review(tmp_path, iter(items), facts, unreadable)
    text = page.read_text()
    assert text.count("<figure ") == 3
    assert 'data-id="&lt;b&gt;&amp;&quot;"' in text
    assert "ccp &amp; more" in text
    assert "Cannot be read: 1." in text
    assert "<td>d</td><td>&lt;cannot&gt; decode</td>" in text
    checked = re.findall(r'name="v(\d+)" value="(\w+)" checked', text)
    assert checked == [("00001", "accept"), ("00002", "reject")]
    pictures = re.findall(r'src="([^"]+)"', text)
    assert len(pictures) == 6
    for name in pictures:
        assert Image.open(tmp_path / name).height == 320


def test_an_older_page_leaves_nothing(tmp_path):
    write_review(tmp_path, [item("a"), item("b")], {}, {"c": "cannot decode"})
    page = write_review(tmp_path, [item("b")], {}, {})
    assert "Cannot be read" not in page.read_text()
    assert len(list((tmp_path / "review").iterdir())) == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["review", "review.html"]
