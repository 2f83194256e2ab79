import numpy as np

from fashionjax.data.categories import CCP_NAMES
from fashionjax.data.synthetic import Photo, render_photo
from fashionjax.data.synthetic.ccp import ccp_label
from fashionjax.data.synthetic.cuts import DRESS, POCKET


def test_parts_show_their_garment():
    masks = np.zeros((2, 4, 4), bool)
    masks[0, 1:] = True
    masks[1, 2, 2] = True
    none = np.zeros((4, 4), bool)
    skin = none.copy()
    skin[0, 0] = True
    image = np.zeros((4, 4, 3), np.uint8)
    label = ccp_label(Photo(image, masks, np.array([DRESS, POCKET]), skin, none))
    assert (label[1:] == CCP_NAMES.index("dress")).all()
    assert label[0].tolist() == [CCP_NAMES.index("skin"), 0, 0, 0]


def test_a_rendered_person_has_skin_and_hair():
    label = ccp_label(render_photo(1, (96, 64)))
    assert (label == CCP_NAMES.index("skin")).sum() > 20
    assert (label == CCP_NAMES.index("hair")).sum() > 10
