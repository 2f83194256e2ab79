import numpy as np

from fashionjax.data.synthetic.geometry import box, ellipse
from fashionjax.data.synthetic.raster import fill

SIZE, SCALE = (20, 30), (1.0, 1.0)


def whole(outlines, size=SIZE, scale=SCALE):
    image = np.zeros(size, bool)
    region = fill(outlines, size, scale)
    if region is not None:
        image[region.window] = region.mask
    return image


def test_box_on_the_pixel_grid_is_exact():
    image = whole([box(3.0, 2.0, 8.0, 6.0)])
    expected = np.zeros(SIZE, bool)
    expected[2:6, 3:8] = True
    assert (image == expected).all()


def test_neighbours_share_no_pixel_and_leave_no_gap():
    cut = 7.3 + 0.45j
    left = [0j, cut, 9.7 + 20j, 20j]
    right = [cut, 30 + 0j, 30 + 20j, 9.7 + 20j]
    a, b = whole([left]), whole([right])
    assert not (a & b).any()
    assert (a | b)[1:].all()


def test_direction_of_the_outline_does_not_matter():
    outline = [2 + 1j, 17 + 4j, 9 + 18j]
    assert whole([outline]).sum() > 50
    assert (whole([outline]) == whole([outline[::-1]])).all()


def test_overlap_of_opposite_outlines_stays_filled():
    one, two = box(2.0, 2.0, 10.0, 10.0), box(6.0, 6.0, 14.0, 14.0)[::-1]
    union = whole([one]) | whole([two])
    assert (whole([one, two]) == union).all()
    assert union.sum() == 64 + 64 - 16


def test_outside_of_the_photo_nothing_is_left():
    assert fill([box(-9.0, -9.0, -1.0, -1.0)], SIZE, SCALE) is None
    assert fill([box(40.0, 2.0, 50.0, 8.0)], SIZE, SCALE) is None


def test_polygon_over_the_border_is_cut_there():
    assert whole([box(-100.0, -100.0, 200.0, 200.0)]).all()
    assert whole([box(-5.0, -5.0, 4.0, 3.0)]).sum() == 12


def test_scale_stretches_down_and_across():
    image = whole([box(1.0, 1.0, 3.0, 2.0)], (20, 30), (4.0, 2.0))
    rows, columns = np.nonzero(image)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 7, 2, 5)


def test_disc_has_the_area_of_its_polygon():
    image = whole([ellipse(150 + 150j, 100.0, 100.0)], (300, 300))
    assert abs(image.sum() - 3.0 * 100**2) < 60  # a regular twelve-sided polygon
