"""HRNet (Wang et al., Deep High-Resolution Representation Learning, 2019)."""

import functools
import operator
from typing import Literal, TypeAlias, get_args

import flax.linen as nn
import jax.numpy as jnp
from flax.typing import Dtype
from jaxtyping import Array, Float

from fashionjax.nn import BasicBlock, BatchNorm, Bottleneck, conv
from fashionjax.nn.residual import KERNEL_INIT
from fashionjax.ops.resize import crop, resize_bilinear, upsample_nearest
from fashionjax.types import Image

Fuse: TypeAlias = Literal["bilinear", "nearest"]
Features = Float[Array, "batch height width channels"]
Branches = list[Features]


class HRNet(nn.Module):
    """HRNet without its classifier: a branch at each of four scales, kept throughout.

    The same weights serve both ways of fusing, which are different functions.

    Attributes:
        features: Channels of the finest branch; branch `i` has `features * 2**i`. 18,
            32 and 48 are the published W18, W32 and W48.
        stem_features: Channels of the stem, and of the bottlenecks' middle in the
            first stage. 64 in all published models, fewer for small machines.
        num_modules: How often the branches are fused in each stage but the first.
        num_blocks: Residual blocks of a branch before it is fused; of the first stage.
        fuse: How a coarse branch is enlarged to be added to a finer one: "bilinear" as
            in mmseg, "nearest" as in timm and in the authors' classifier. Those two
            take only images whose sides are multiples of 32; here any size will do.
        dtype: Type of the computation; parameters are float32.
    """

    features: int = 18
    stem_features: int = 64
    num_modules: tuple[int, int, int] = (1, 4, 3)
    num_blocks: int = 4
    fuse: Fuse = "bilinear"
    dtype: Dtype = jnp.float32

    @property
    def reductions(self) -> tuple[int, ...]:
        """Input size divided by the size of each feature map."""
        return (4, 8, 16, 32)

    @nn.compact
    def __call__(
        self, image: Image, *, train: bool
    ) -> tuple[Float[Array, "batch height_i width_i channels_i"], ...]:
        """Returns the four branches; sizes are halved rounding up.

        Raises:
            ValueError: If `fuse` is neither "bilinear" nor "nearest".
        """
        if self.fuse not in get_args(Fuse):
            raise ValueError(f"fuse {self.fuse!r} is none of {get_args(Fuse)}")
        x = self._conv_norm_relu(image, self.stem_features, 2, "stem_{}1", train)
        x = self._conv_norm_relu(x, self.stem_features, 2, "stem_{}2", train)
        for block in range(self.num_blocks):
            bottleneck = Bottleneck(
                features=4 * self.stem_features,
                width=self.stem_features,
                dtype=self.dtype,
                name=f"stage1_block{block}",
            )
            x = bottleneck(x, train=train)
        branches = [
            self._conv_norm_relu(x, self.features, 1, "transition1_branch0_{}", train),
            self._conv_norm_relu(
                x, 2 * self.features, 2, "transition1_branch1_{}", train
            ),
        ]
        for stage, num_modules in enumerate(self.num_modules, start=2):
            if stage > 2:
                new = len(branches)
                name = f"transition{stage - 1}_branch{new}_{{}}"
                width = self.features * 2**new
                coarsest = branches[-1]
                branches.append(self._conv_norm_relu(coarsest, width, 2, name, train))
            for index in range(num_modules):
                module = _Module(
                    num_blocks=self.num_blocks,
                    fuse=self.fuse,
                    dtype=self.dtype,
                    name=f"stage{stage}_module{index}",
                )
                branches = module(branches, train=train)
        return tuple(branches)

    def _conv_norm_relu(
        self, x: Features, features: int, stride: int, name: str, train: bool
    ) -> Features:
        layer = conv(
            features,
            3,
            stride=stride,
            kernel_init=KERNEL_INIT,
            dtype=self.dtype,
            name=name.format("conv"),
        )
        norm = BatchNorm(
            use_running_average=not train, dtype=self.dtype, name=name.format("norm")
        )
        return nn.relu(norm(layer(x)))


class _Module(nn.Module):
    """Residual blocks on every branch, then every branch added to every other.

    Attributes:
        num_blocks: Residual blocks of a branch.
        fuse: See `HRNet`.
        dtype: Type of the computation; parameters are float32.
    """

    num_blocks: int
    fuse: Fuse
    dtype: Dtype

    @nn.compact
    def __call__(self, branches: Branches, *, train: bool) -> Branches:
        """Returns branches of the shapes that they came in."""
        branches = [
            self._blocks(x, branch, train=train) for branch, x in enumerate(branches)
        ]
        fused = []
        for target, own in enumerate(branches):
            # Summed in the reference's order, finest first.
            terms = []
            for source, x in enumerate(branches):
                if source > target:
                    x = self._enlarge(x, source, target, own, train=train)
                elif source < target:
                    x = self._shrink(x, source, target, own, train=train)
                terms.append(x)
            fused.append(nn.relu(functools.reduce(operator.add, terms)))
        return fused

    def _blocks(self, x: Features, branch: int, *, train: bool) -> Features:
        for index in range(self.num_blocks):
            block = BasicBlock(
                features=x.shape[-1],
                dtype=self.dtype,
                name=f"branch{branch}_block{index}",
            )
            x = block(x, train=train)
        return x

    def _enlarge(
        self, x: Features, source: int, target: int, like: Features, *, train: bool
    ) -> Features:
        x = self._conv_norm(
            x, like.shape[-1], 1, f"fuse{target}_from{source}_{{}}", train=train
        )
        factor, size = 2 ** (source - target), like.shape[1:3]
        if self.fuse == "nearest":
            return crop(upsample_nearest(x, factor), size)
        # In two steps as the reference has it: where halving rounded up, the result
        # differs from that of resizing at once.
        x = resize_bilinear(x, (factor * x.shape[1], factor * x.shape[2]))
        return resize_bilinear(x, size)

    def _shrink(
        self, x: Features, source: int, target: int, like: Features, *, train: bool
    ) -> Features:
        for step in range(target - source):
            last = step == target - source - 1
            x = self._conv_norm(
                x,
                like.shape[-1] if last else x.shape[-1],
                3,
                f"fuse{target}_from{source}_{{}}{step}",
                train=train,
            )
            x = x if last else nn.relu(x)
        return x

    def _conv_norm(
        self, x: Features, features: int, size: int, name: str, *, train: bool
    ) -> Features:
        """A 1×1 convolution, or a 3×3 one that halves the size; BatchNorm."""
        layer = conv(
            features,
            size,
            stride=1 if size == 1 else 2,
            kernel_init=KERNEL_INIT,
            dtype=self.dtype,
            name=name.format("conv"),
        )
        norm = BatchNorm(
            use_running_average=not train, dtype=self.dtype, name=name.format("norm")
        )
        return norm(layer(x))
