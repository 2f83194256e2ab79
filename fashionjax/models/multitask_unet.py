"""The Extended U-Net: a U-Net with a tag branch and a box branch.

Vozáriková, Staňa, Semanišín: Clothing Parsing using Extended U-Net. The decoder is
fastai's DynamicUnet with nearest-neighbour upsampling in place of pixel shuffle.
"""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.constants import BACKGROUND
from fashionjax.nn import (
    BatchNorm,
    BoxBranch,
    InjectedConv,
    TagBranch,
    UpsampledConv,
    conv,
)
from fashionjax.ops.resize import resize_nearest
from fashionjax.ops.to_float32 import to_float32
from fashionjax.types import Image, Logits, Outputs, TagPrior

Injection = Literal["none", "concat", "multiply_logits", "multiply_probs"]
Features = Float[Array, "batch height width channels"]

_CERTAIN: Mapping[Injection, float] = {
    # Probabilities of at least 0.88 and at most 0.12: the convolution behind has seen
    # the like. Stronger ones, which it has not, make everything worse (docs/priors.md).
    "concat": 2.0,
    # Exactly 1 or 0 after the sigmoid, and finite.
    "multiply_logits": 1e4,
    "multiply_probs": 1e4,
}
"""The least tag logit of what a prior tells to be present; negative, the most of what
it tells to be absent."""

_BOX_LIMIT = 4.0
"""The largest box logit that a prior injects: 0.018 from the image's border."""


class MultitaskUNet(nn.Module):
    """U-Net whose image-level branches may feed back into the segmentation.

    The branches read the encoder's deepest map. With `injection`

    - "concat", each of their logits is tiled to a constant map and concatenated to
      the last decoder map (the document's main model);
    - "multiply_logits", class scores are multiplied by the tag probability of their
      class, background by 1;
    - "multiply_probs", class probabilities are, and the logits are the logarithm of
      the renormalised result;
    - "none", the branches only add loss terms, and `detach_branches` removes them.

    Attributes:
        encoder: Maps an image to feature maps, the finest at stride 2.
        num_classes: Number of classes, background included.
        decoder_features: Channels of the decoder stages, coarsest first.
        tag_branch: Whether the model has a tag branch.
        box_branch: Whether the model has a box branch.
        injection: How branch logits enter the segmentation.
        image_size: (height, width) that the box branch is built for; None without.
        branch_features: Width of the branches' hidden layers.
        dropout_rate: Dropout of the branches' hidden layers.
        dtype: Type of the computation; parameters and logits are float32.
    """

    encoder: nn.Module
    num_classes: int
    decoder_features: tuple[int, ...] = (512, 384, 256, 96)
    tag_branch: bool = True
    box_branch: bool = True
    injection: Injection = "concat"
    image_size: tuple[int, int] | None = None
    branch_features: int = 512
    dropout_rate: float = 0.5
    dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, image: Image, *, train: bool, prior: TagPrior | None = None
    ) -> Outputs:
        """Returns logits at the input's size and those of the branches.

        Args:
            image: Normalised image, of any size without box branch.
            train: Whether to normalise by batch statistics and to drop out.
            prior: What is known of the classes; it corrects what the branches say of
                them where that is injected. Returned is what they say themselves.

        Raises:
            ValueError: If the image's size does not suit the model, or there is a prior
                and the model injects nothing that it tells.
        """
        self._check(image.shape[1:3])
        self._check_prior(prior)
        image = image.astype(self.dtype)
        maps = self.encoder(image, train=train)
        *skips, deepest = (m.astype(self.dtype) for m in maps)
        tag_logits, box_logits = self._branches(deepest, train=train)

        x = nn.relu(self._norm(deepest, "middle_norm", train=train))
        channels = x.shape[-1]
        x = self._conv(x, 2 * channels, "middle_conv1", train=train)
        x = self._conv(x, channels, "middle_conv2", train=train)
        stages = zip(self.decoder_features, reversed(skips), strict=True)
        for stage, (features, skip) in enumerate(stages):
            skip = self._norm(skip, f"skip_norm{stage}", train=train)
            layer = UpsampledConv(features, self.dtype, name=f"decoder{stage}_conv1")
            x = layer(nn.relu(x), skip.shape[1:3], nn.relu(skip))
            x = self._relu_norm(x, f"decoder{stage}_conv1", train=train)
            x = self._conv(x, features, f"decoder{stage}_conv2", train=train)

        injected = self._told(tag_logits, box_logits, prior)
        x, residual = self._inject(x, image, *injected, train=train)
        residual = self._conv(residual, x.shape[-1], "residual_conv2", train=train)
        head = conv(
            self.num_classes,
            1,
            use_bias=True,
            # Near-uniform probabilities at the start, whatever the width.
            kernel_init=nn.initializers.normal(0.01),
            dtype=self.dtype,
            name="head",
        )
        logits = to_float32(head(x + residual))
        if tag_logits is not None and self.injection.startswith("multiply"):
            logits = self._multiply(logits, injected[0])
        return Outputs(logits=logits, tag_logits=tag_logits, box_logits=box_logits)

    @property
    def injects_tags(self) -> bool:
        """Whether the segmentation depends on the tag branch."""
        return self.tag_branch and self.injection != "none"

    @property
    def injects_boxes(self) -> bool:
        """Whether the segmentation depends on the box branch."""
        return self.box_branch and self.injection == "concat"

    def _check(self, size: tuple[int, ...]) -> None:
        if self.box_branch and self.image_size != tuple(size):
            raise ValueError(
                f"image size {size[0]}×{size[1]} does not fit the box branch, which is"
                f" built for image_size={self.image_size}; other sizes need a model"
                " without box branch (see detach_branches)"
            )
        allowed = get_args(Injection)
        if self.injection not in allowed:
            raise ValueError(f"injection {self.injection!r} is none of {allowed}")
        if self.injection == "concat" and not (self.tag_branch or self.box_branch):
            raise ValueError('injection "concat" needs a branch')
        if self.injection.startswith("multiply") and not self.tag_branch:
            raise ValueError(f"injection {self.injection!r} needs tag_branch=True")

    def _check_prior(self, prior: TagPrior | None) -> None:
        if prior is None:
            return
        if not self.injects_tags:
            raise ValueError(
                "a prior needs a model that injects tags; this one has"
                f" injection={self.injection!r} and tag_branch={self.tag_branch}"
            )
        if prior.boxes is not None and not self.injects_boxes:
            raise ValueError(
                "a prior with boxes needs a model that injects boxes; this one has"
                f" injection={self.injection!r} and box_branch={self.box_branch}"
            )

    def _branches(self, deepest: Features, *, train: bool) -> tuple[Any, Any]:
        num_tags = self.num_classes - 1
        options = {
            "features": self.branch_features,
            "dropout_rate": self.dropout_rate,
            "dtype": self.dtype,
        }
        tag_logits = box_logits = None
        if self.tag_branch:
            tag_branch = TagBranch(num_tags, name="tag_branch", **options)
            tag_logits = tag_branch(deepest, train=train)
        if self.box_branch:
            box_branch = BoxBranch(num_tags, name="box_branch", **options)
            box_logits = box_branch(deepest, train=train)
        return tag_logits, box_logits

    def _told(
        self, tag_logits: Any, box_logits: Any, prior: TagPrior | None
    ) -> tuple[Any, Any]:
        """What is injected: what the branches say, but for what is known."""
        if prior is None:
            return tag_logits, box_logits
        certain = _CERTAIN[self.injection]
        # A branch that is right already may be as sure as it is.
        least = jnp.where(prior.present, certain, -jnp.inf)
        most = jnp.where(prior.absent, -certain, jnp.inf)
        tag_logits = jnp.clip(tag_logits, least, most)
        if prior.boxes is not None:
            known = jnp.log(prior.boxes) - jnp.log1p(-prior.boxes)
            known = jnp.clip(known, -_BOX_LIMIT, _BOX_LIMIT)
            box_logits = jnp.where(prior.present[..., None], known, box_logits)
        return tag_logits, box_logits

    def _conv(self, x: Features, features: int, name: str, *, train: bool) -> Features:
        """3×3 convolution, ReLU, BatchNorm: fastai normalises after the activation."""
        x = conv(features, 3, dtype=self.dtype, name=name)(x)
        return self._relu_norm(x, name, train=train)

    def _relu_norm(self, x: Features, name: str, *, train: bool) -> Features:
        return self._norm(nn.relu(x), f"{name}_norm", train=train)

    def _inject(
        self, x: Features, image: Features, *branch_logits: Any, train: bool
    ) -> tuple[Features, Features]:
        """Joins `x` at full size, the image and the branches' channels, if any.

        Returns:
            All of them, and the first half of the residual block over them.
        """
        size = image.shape[1:3]
        joined = jnp.concatenate([resize_nearest(x, size), image], axis=-1)
        if self.injection != "concat":
            layer = UpsampledConv(joined.shape[-1], self.dtype, name="residual_conv1")
            residual = layer(x, size, image)
            return joined, self._relu_norm(residual, "residual_conv1", train=train)
        constants = jnp.concatenate(
            [v.reshape(v.shape[0], -1) for v in branch_logits if v is not None], axis=-1
        ).astype(self.dtype)
        width = joined.shape[-1] + constants.shape[-1]
        conv1 = InjectedConv(width, dtype=self.dtype, name="residual_conv1")
        residual = conv1(x, size, image, constants)
        maps = jnp.broadcast_to(
            constants[:, None, None], (*joined.shape[:3], constants.shape[-1])
        )
        return (
            jnp.concatenate([joined, maps], axis=-1),
            self._relu_norm(residual, "residual_conv1", train=train),
        )

    def _norm(self, x: Features, name: str, *, train: bool) -> Features:
        norm = BatchNorm(use_running_average=not train, dtype=self.dtype, name=name)
        return norm(x)

    def _multiply(
        self, logits: Logits, tag_logits: Float[Array, "batch num_tags"]
    ) -> Logits:
        if self.injection == "multiply_probs":
            log_factor = _with_background(nn.log_sigmoid(tag_logits), 0.0)
            return nn.log_softmax(nn.log_softmax(logits) + log_factor)
        return logits * _with_background(nn.sigmoid(tag_logits), 1.0)


def detach_branches(
    model: MultitaskUNet, variables: Mapping[str, Any]
) -> tuple[MultitaskUNet, dict[str, Any]]:
    """Removes the branches of a model that injects nothing, for inference.

    The result computes the same logits as a plain U-Net, at any input size.

    Args:
        model: A model with `injection="none"`.
        variables: Its variables.

    Returns:
        The model without branches, and its variables.

    Raises:
        ValueError: If the segmentation depends on the branches.
    """
    if model.injection != "none":
        raise ValueError(
            f"branches with injection={model.injection!r} are part of the"
            ' segmentation; only those with injection="none" can be detached'
        )
    plain = model.clone(tag_branch=False, box_branch=False, image_size=None)
    kept = {
        collection: {
            name: value
            for name, value in tree.items()
            if name not in ("tag_branch", "box_branch")
        }
        for collection, tree in variables.items()
    }
    return plain, kept


def _with_background(
    factors: Float[Array, "batch num_tags"], background: float
) -> Float[Array, "batch 1 1 num_classes"]:
    assert BACKGROUND == 0, "the tag of class i is at position i - 1"
    padded = jnp.pad(factors, ((0, 0), (1, 0)), constant_values=background)
    return jax.lax.expand_dims(padded, (1, 2))
