"""What a training example goes through, as one value: `Augmentation`.

The constants at the end are no augmentation and the settings of the papers.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import TypeAlias, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from fashionjax.augment.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
)
from fashionjax.augment.lighting import adjust_lighting
from fashionjax.augment.warp import ImageFill, LabelFill, affine_matrix, warp

Images: TypeAlias = Float[Array, "batch height width 3"]
Labels: TypeAlias = UInt8[Array, "batch height width"]
Draws: TypeAlias = dict[str, Float[Array, " batch"]]

_DRAWS = (
    "flip",
    "geometric",
    "rotation",
    "shift_x",
    "shift_y",
    "zoom",
    "crop",
    "crop_x",
    "crop_y",
    "is_brightened",
    "brightness",
    "is_contrasted",
    "contrast",
    "jitter_brightness",
    "jitter_contrast",
    "jitter_saturation",
    "jitter_hue",
)
"""The random numbers of an example. Each kind of change has its own, so that switching
one on leaves the others' as they were."""

_SHARE = ("in [0, 1]", lambda value: 0 <= value <= 1)
_BELOW_ONE = ("in [0, 1)", lambda value: 0 <= value < 1)
_NOT_NEGATIVE = ("finite and not negative", lambda value: 0 <= value < math.inf)

_ALLOWED: dict[str, tuple[str, Callable[[float], bool]]] = {
    "horizontal_flip": _SHARE,
    "rotation": ("in [0, 180]", lambda value: 0 <= value <= 180),
    "shift": _SHARE,
    "zoom": _BELOW_ONE,
    "min_crop": ("in (0, 1]", lambda value: 0 < value <= 1),
    "geometric_probability": _SHARE,
    "lighting_brightness": _BELOW_ONE,
    "lighting_contrast": _BELOW_ONE,
    "lighting_probability": _SHARE,
    "jitter_brightness": _NOT_NEGATIVE,
    "jitter_contrast": _NOT_NEGATIVE,
    "jitter_saturation": _NOT_NEGATIVE,
    "jitter_hue": ("in [0, 0.5]", lambda value: 0 <= value <= 0.5),
}


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Random changes of training examples; the defaults change nothing.

    Geometry comes first, then lighting, then jitter. What is off costs nothing: it is
    left out of the compiled program.

    Attributes:
        horizontal_flip: Probability of mirroring, in [0, 1].
        rotation: Largest angle in degrees, either way, in [0, 180].
        shift: Largest shift as a share of the side, either way and along both axes, in
            [0, 1].
        zoom: The side of what is seen is U(1 - zoom, 1 + zoom) of the image's; in
            [0, 1). Drawn once, so that people keep their proportions; Keras draws
            each axis for itself.
        min_crop: Smallest share of the area that a random crop keeps, in (0, 1]; 1
            crops nothing. The crop has the image's aspect and is resized back.
        geometric_probability: Probability that an example is turned, shifted, zoomed
            and cropped at all; flips have their own. In [0, 1].
        lighting_brightness: m of `brightness` in fastai v1, in [0, 1): mid-grey becomes
            U(0.5 (1 - m), 0.5 (1 + m)).
        lighting_contrast: m of `contrast` in fastai v1, in [0, 1): logits are scaled by
            a log-uniform factor in [1 - m, 1 / (1 - m)].
        lighting_probability: Probability of each of the two, drawn separately as in
            fastai; in [0, 1].
        jitter_brightness: x of torchvision's `ColorJitter`, from 0 on: the factor is
            U(max(0, 1 - x), 1 + x), as it is for contrast and saturation. The four are
            applied in this order; torchvision shuffles them.
        jitter_contrast: The same for contrast.
        jitter_saturation: The same for saturation.
        jitter_hue: The hue is shifted by U(-h, h) of the colour circle; in [0, 0.5].
        image_fill: What images show beyond their edge.
        label_fill: What labels show there.

    Raises:
        ValueError: A value out of range.
    """

    horizontal_flip: float = 0.0
    rotation: float = 0.0
    shift: float = 0.0
    zoom: float = 0.0
    min_crop: float = 1.0
    geometric_probability: float = 1.0
    lighting_brightness: float = 0.0
    lighting_contrast: float = 0.0
    lighting_probability: float = 1.0
    jitter_brightness: float = 0.0
    jitter_contrast: float = 0.0
    jitter_saturation: float = 0.0
    jitter_hue: float = 0.0
    image_fill: ImageFill = "edge"
    label_fill: LabelFill = "background"

    def __post_init__(self) -> None:
        for name, (allowed, is_allowed) in _ALLOWED.items():
            value = getattr(self, name)
            if not isinstance(value, int | float) or not is_allowed(value):
                raise ValueError(f"{name}={value!r}: allowed is a number {allowed}")
        for name, fills in (("image_fill", ImageFill), ("label_fill", LabelFill)):
            if getattr(self, name) not in get_args(fills):
                raise ValueError(
                    f"{name}={getattr(self, name)!r}: allowed are "
                    f"{', '.join(get_args(fills))}"
                )

    def __call__(
        self,
        image: UInt8[Array, "batch height width 3"],
        label: Labels,
        key: PRNGKeyArray,
        example_index: Int[Array, " batch"],
    ) -> tuple[Images, Labels]:
        """Augments a batch.

        Args:
            image: Images, 0..255.
            label: Class ids, or the ignore index.
            key: Random key of the step.
            example_index: What tells the examples apart. What an example becomes is a
                function of it, the key and the example alone: neither of the place in
                the batch, nor of the batch, nor of the number of devices.

        Returns:
            float32 images in 0..255, and labels of the dtype that they had.
        """
        draws = _draw(key, example_index)
        moved, label = self._move(image, label, draws)
        moved = self._light(moved.astype(jnp.float32), draws)
        return self._jitter(moved, draws), label

    @property
    def _is_warping(self) -> bool:
        """Whether any example is more than mirrored."""
        amount = self.rotation + self.shift + self.zoom + (1 - self.min_crop)
        return self.geometric_probability > 0 and amount > 0

    @property
    def _is_lighting(self) -> bool:
        """Whether the lighting of any example changes."""
        amount = self.lighting_brightness + self.lighting_contrast
        return self.lighting_probability > 0 and amount > 0

    def _move(
        self, image: UInt8[Array, "batch height width 3"], label: Labels, draws: Draws
    ) -> tuple[Array, Labels]:
        """Mirrors, turns, shifts, zooms and crops."""
        if self._is_warping:
            matrix = self._matrix(image.shape[1], image.shape[2], draws)
            return warp(
                image,
                label,
                matrix,
                image_fill=self.image_fill,
                label_fill=self.label_fill,
            )
        if self.horizontal_flip > 0:
            flip = draws["flip"] < self.horizontal_flip
            image = jnp.where(flip[:, None, None, None], image[:, :, ::-1], image)
            label = jnp.where(flip[:, None, None], label[:, :, ::-1], label)
        return image, label

    def _matrix(
        self, height: int, width: int, draws: Draws
    ) -> Float[Array, "batch 2 3"]:
        """Draws what each example shows of itself."""
        # 0 where an example is not to be moved: all that follows is then exactly none.
        moves = (draws["geometric"] < self.geometric_probability).astype(jnp.float32)
        zoom = 1 + moves * _spread(draws["zoom"], self.zoom)
        crop = jnp.sqrt(1 - moves * draws["crop"] * (1 - self.min_crop))

        def offset(axis: str, size: int) -> Float[Array, " batch"]:
            shift = moves * size * _spread(draws[f"shift_{axis}"], self.shift)
            # The crop's outermost pixels stay within the image's.
            room = zoom * (1 - crop) * (size - 1) / 2
            return shift + room * _spread(draws[f"crop_{axis}"], 1.0)

        return affine_matrix(
            flip=draws["flip"] < self.horizontal_flip,
            degrees=moves * _spread(draws["rotation"], self.rotation),
            scale=zoom * crop,
            offset=(offset("x", width), offset("y", height)),
        )

    def _light(self, image: Images, draws: Draws) -> Images:
        """Changes the lighting; examples that do not draw it stay as they are."""
        if not self._is_lighting:
            return image
        brightens = (self.lighting_brightness > 0) & (
            draws["is_brightened"] < self.lighting_probability
        )
        contrasts = (self.lighting_contrast > 0) & (
            draws["is_contrasted"] < self.lighting_probability
        )
        spread = _spread(draws["brightness"], self.lighting_brightness)
        change = jnp.where(brightens, 0.5 * (1 + spread), 0.5)
        log_scale = _spread(draws["contrast"], -math.log1p(-self.lighting_contrast))
        scale = jnp.where(contrasts, jnp.exp(log_scale), 1.0)
        lit = 255 * adjust_lighting(image / 255, change, scale)
        return jnp.where((brightens | contrasts)[:, None, None, None], lit, image)

    def _jitter(self, image: Images, draws: Draws) -> Images:
        """Jitters the colours."""
        factors = {
            adjust_brightness: ("jitter_brightness", self.jitter_brightness),
            adjust_contrast: ("jitter_contrast", self.jitter_contrast),
            adjust_saturation: ("jitter_saturation", self.jitter_saturation),
        }
        if not self.jitter_hue and not any(most for _, most in factors.values()):
            return image
        image = image / 255
        for adjust, (name, most) in factors.items():
            if most > 0:
                least = max(0.0, 1 - most)
                factor = least + (1 + most - least) * draws[name]
                image = adjust(image, factor)
        if self.jitter_hue > 0:
            turns = _spread(draws["jitter_hue"], self.jitter_hue)
            image = adjust_hue(image, turns)
        return 255 * image


def _draw(key: PRNGKeyArray, example_index: Int[Array, " batch"]) -> Draws:
    """Draws uniform numbers in [0, 1), each example's from its own key."""

    def draw_one(index: Int[Array, ""]) -> Float[Array, " draws"]:
        return jax.random.uniform(jax.random.fold_in(key, index), (len(_DRAWS),))

    numbers = jax.vmap(draw_one)(example_index)
    return {name: numbers[:, i] for i, name in enumerate(_DRAWS)}


def _spread(draw: Float[Array, " batch"], extent: float) -> Float[Array, " batch"]:
    """Stretches a number in [0, 1) to [-extent, extent)."""
    return extent * (2 * draw - 1)


NO_AUGMENTATION = Augmentation()
"""Examples stay as they are."""

MIRROR = Augmentation(horizontal_flip=0.5)
"""The U-Net, SegNet and FCN on iMaterialist, and the feature pyramid of "Semantic
Segmentation of Fashion Images Using FPN": both mirror. The probability is inferred."""

CCP_UNET = Augmentation(
    horizontal_flip=0.5,
    rotation=10.0,
    shift=0.1,
    image_fill="edge",
    label_fill="background",
)
"""The U-Net of "Clothing Co-Parsing": rotation by 10 degrees and shift by "10" along
both axes, mirrored. Inferred: 10 is a percentage; Keras's probability of mirroring;
images go on as their edge, which is Keras's default, and labels as background."""

CCP_UNET_ZOOM = dataclasses.replace(CCP_UNET, zoom=0.3)
"""The last trial of that U-Net: also zoomed by 30 %."""

EXTENDED_UNET = Augmentation(
    horizontal_flip=0.5,
    rotation=10.0,
    geometric_probability=0.75,
    lighting_brightness=0.2,
    lighting_contrast=0.2,
    lighting_probability=0.75,
    image_fill="reflect",
    label_fill="same",
)
"""The Extended U-Net: mirrored, with "mild" lighting and rotation. Inferred: all
numbers and the reflection, from `get_transforms` and `apply_tfms` of fastai v1, which
it was trained with; the zoom and the warp of `get_transforms` are not mentioned."""
