"""Predictions on photos of any size, from the best checkpoint of a run."""

# No checker knows the keys of a ConfigDict.
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOptionalMemberAccess=false, reportOperatorIssue=false

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8
from ml_collections import ConfigDict
from PIL import Image

from fashionjax import builders
from fashionjax.augment import Normalization, normalize
from fashionjax.constants import BACKGROUND
from fashionjax.data.images import resize_image
from fashionjax.inference import batch_sizes, fold_batch_norm, plan_batches
from fashionjax.models.multitask_unet import MultitaskUNet, detach_branches
from fashionjax.train.checkpoints import Checkpoints
from fashionjax.train.crf import refine
from fashionjax.train.run_config import read_config
from fashionjax.train.sharding import (
    by_pixel,
    check_height,
    on_mesh,
    replicated,
    strip_mesh,
)
from fashionjax.types import TagPrior


@dataclasses.dataclass(frozen=True)
class ClassPrior:
    """What is known of an image before looking at it, for all images of a call.

    Classes that cannot occur are never predicted. A model that injects its tag branch
    into the segmentation is told besides which classes do and do not occur.

    Attributes:
        present: The only classes that may occur beside background; None for all.
        absent: Classes that cannot occur.
        certain: Classes that do occur; for models that inject tags.
    """

    present: tuple[str, ...] | None = None
    absent: tuple[str, ...] = ()
    certain: tuple[str, ...] = ()

    def allowed(self, class_names: Sequence[str]) -> Bool[np.ndarray, " num_classes"]:
        """Which classes may be predicted; background always may.

        Raises:
            ValueError: If a name is no class, none but background is left, or what is
                certain cannot occur.
        """
        for name in (*(self.present or ()), *self.absent, *self.certain):
            if name not in class_names[1:]:
                raise ValueError(
                    f"unknown class {name!r}; allowed are {', '.join(class_names[1:])}"
                )
        keep = [
            (self.present is None or name in self.present) and name not in self.absent
            for name in class_names
        ]
        keep[BACKGROUND] = True
        if sum(keep) == 1:
            raise ValueError("the class prior leaves background only")
        for name in self.certain:
            if not keep[class_names.index(name)]:
                raise ValueError(f"{name!r} is certain, and cannot occur")
        return np.asarray(keep)

    def tags(self, class_names: Sequence[str]) -> TagPrior | None:
        """What a model that injects tags is told; None if nothing is known."""
        allowed = self.allowed(class_names)
        if allowed.all() and not self.certain:
            return None
        certain = np.array([name in self.certain for name in class_names])
        return TagPrior(present=certain[None, 1:], absent=~allowed[None, 1:])


class Predictor:
    """Labels photos with the best checkpoint of a run.

    Attributes:
        class_names: Names of the classes, background first.
        palette: RGB of each class, 0..255.
        image_size: (height, width) that photos are resized to for the model.
        step: Number of updates behind the parameters.
    """

    def __init__(
        self,
        workdir: str | Path,
        *,
        prior: ClassPrior | None = None,
        flip: bool = False,
        batch_size: int = 16,
        dtype: str | None = None,
        spatial_shards: int = 1,
        crf: Mapping[str, Any] | None = None,
    ) -> None:
        """Loads a run.

        Args:
            workdir: Folder of a run with at least one checkpoint.
            prior: Which classes may occur; all if None.
            flip: Whether to average with the prediction on the mirrored photo.
            batch_size: The most photos that go through the model together. Fewer go
                in smaller batches, of sizes that are each compiled once.
            dtype: Type of the computation, such as "bfloat16"; that of the training if
                None.
            spatial_shards: Devices that share each photo, for an `image_size` too large
                for one.
            crf: Options of `postprocess.dense_crf`, which refines the probabilities at
                the model's size, where its pixels are counted; None for none.

        Raises:
            FileNotFoundError: If the folder holds no checkpoint.
            ValueError: If the prior is wrong for the model, or `batch_size`, `dtype`
                or `spatial_shards` is not allowed.
        """
        batch_sizes(batch_size)  # Refuses a wrong one before anything is loaded.
        mesh = strip_mesh(spatial_shards)
        meta, variables, self.step = _load(Path(workdir))
        self.class_names = tuple(meta["class_names"])
        self.palette = tuple(tuple(color) for color in meta["palette"])
        self.image_size = (int(meta["image_size"][0]), int(meta["image_size"][1]))
        prior = prior or ClassPrior()
        self._allowed = prior.allowed(self.class_names)
        self._batch_size = batch_size
        self._crf = crf
        model = _build(meta, dtype)
        known = _known(model, prior, self.class_names)
        if isinstance(model, MultitaskUNet) and model.injection == "none":
            model, variables = detach_branches(model, variables)
        folded, variables = fold_batch_norm(model, variables, (1, *self.image_size, 3))
        variables = folded.cast_kernels(variables)
        normalization = Normalization(
            **{name: tuple(value) for name, value in meta["normalization"].items()}
        )

        def compute_probs(
            variables: Any, image: UInt8[Array, "batch height width 3"]
        ) -> Float[Array, "batch height width num_classes"]:
            def probs(image: jax.Array) -> jax.Array:
                image = normalize(image, normalization)
                return jax.nn.softmax(folded.apply(variables, image, **known).logits)

            if not flip:
                return probs(image)
            mirrored = probs(image[:, :, ::-1])[:, :, ::-1]
            return (probs(image) + mirrored) / 2

        check_height(self.image_size[0], spatial_shards)
        self._variables = jax.device_put(variables, replicated(mesh))
        self._compute_probs = jax.jit(
            on_mesh(compute_probs, mesh),
            in_shardings=(replicated(mesh), by_pixel(mesh)),
        )

    def __call__(
        self, images: np.ndarray | Sequence[np.ndarray]
    ) -> UInt8[np.ndarray, "height width"] | list[UInt8[np.ndarray, "height width"]]:
        """Labels one photo, or a list of photos of any sizes.

        Args:
            images: uint8 RGB `[height, width, 3]`, or a list of such arrays.

        Returns:
            Class ids at each photo's own size: one map, or a list of maps.

        Raises:
            ValueError: If an array is no RGB photo.
        """
        if isinstance(images, np.ndarray) and images.ndim == 3:
            return self.label_maps([images])[0]
        return self.label_maps(images)

    def label_maps(
        self, images: Sequence[np.ndarray] | np.ndarray
    ) -> list[UInt8[np.ndarray, "height width"]]:
        """Labels a list of photos; see `__call__`."""
        for image in images:
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
                raise ValueError(
                    f"expected uint8 RGB [height, width, 3], got {image.dtype}"
                    f" {list(image.shape)}"
                )
        labels = []
        for part, batch_size in plan_batches(len(images), self._batch_size):
            probs_of_part = self._probs(images[part], batch_size)
            for image, probs in zip(images[part], probs_of_part, strict=True):
                labels.append(self._at_size(probs, image.shape[:2]))
        return labels

    def _probs(
        self, images: Sequence[np.ndarray] | np.ndarray, batch_size: int
    ) -> Float[np.ndarray, "batch height width num_classes"]:
        """Class probabilities at the model's size."""
        small = np.stack([resize_image(image, self.image_size) for image in images])
        missing = batch_size - len(small)
        small = np.pad(small, ((0, missing), (0, 0), (0, 0), (0, 0)))
        probs = self._compute_probs(self._variables, small)
        probs = np.asarray(probs)[: len(images)]
        if self._crf is None:
            return probs
        probs = np.where(self._allowed, probs, 0)
        return np.concatenate(list(refine(probs, small[: len(images)], self._crf)))

    def _at_size(
        self,
        probs: Float[np.ndarray, "height width num_classes"],
        size: tuple[int, ...],
    ) -> UInt8[np.ndarray, "height_out width_out"]:
        """Resizes probabilities, bilinear, and takes the most probable class.

        One class at a time: all of them at the size of a camera's photo would take
        gigabytes.
        """
        best = np.full(size, -1.0, np.float32)
        label = np.zeros(size, np.uint8)
        for class_id in np.flatnonzero(self._allowed):
            plane = Image.fromarray(np.ascontiguousarray(probs[..., class_id]))
            plane = np.asarray(
                plane.resize((size[1], size[0]), Image.Resampling.BILINEAR)
            )
            better = plane > best
            label[better] = class_id
            best = np.maximum(best, plane)
        return label


def _build(meta: dict[str, Any], dtype: str | None = None) -> Any:
    """The model of a checkpoint, of its own type of computation or another."""
    config = ConfigDict(meta["config"]["model"])
    config.dtype = dtype or config.dtype
    return builders.build_model(
        config,
        num_classes=len(meta["class_names"]),
        image_size=tuple(meta["image_size"]),
    )


def _known(
    model: Any, prior: ClassPrior, class_names: Sequence[str]
) -> dict[str, TagPrior]:
    """What the model itself takes of a prior; only those that inject tags take any."""
    if isinstance(model, MultitaskUNet) and model.injects_tags:
        tags = prior.tags(class_names)
        return {} if tags is None else {"prior": tags}
    if prior.certain:
        raise ValueError(
            f"{prior.certain[0]!r} is certain, but only models that inject tags can be"
            " told which classes do occur"
        )
    return {}


def _load(workdir: Path) -> tuple[dict[str, Any], dict[str, Any], int]:
    """Reads metadata, variables and step of the best checkpoint."""
    directory = workdir / "checkpoints"
    config = read_config(workdir)
    with Checkpoints(
        directory,
        best_metric=config.best_metric,
        min_delta=config.early_stopping.min_delta,
        read_only=True,
    ) as checkpoints:
        step = checkpoints.best_step
        if step is None:
            raise FileNotFoundError(f"{directory} holds no finished checkpoint")
        meta = checkpoints.meta(step)
        model = _build(meta)
        image = jnp.zeros((1, *meta["image_size"], 3), jnp.float32)
        shapes = jax.eval_shape(
            lambda: model.init(jax.random.key(0), image, train=False)
        )
        here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
        abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=here), shapes
        )
        ema = meta["config"]["ema_decay"] > 0
        return meta, checkpoints.restore_variables(step, abstract, ema=ema), step
