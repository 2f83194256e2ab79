"""What an evaluation measures, from counts on the devices to fractions on the host."""

import dataclasses
from collections.abc import Sequence

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Integer

from fashionjax.metrics.boundaries import (
    boundary_metrics,
    boundary_width,
    count_boundaries,
    count_trimaps,
    trimap_metrics,
)
from fashionjax.metrics.class_counts import (
    ClassCounts,
    count_classes,
    without_ignored,
)
from fashionjax.metrics.images import batch_mean_metrics, size_metrics
from fashionjax.metrics.quotients import Absent, check_absent
from fashionjax.metrics.segmentation import confusion_matrix, segmentation_metrics
from fashionjax.types import LabelMap


@flax.struct.dataclass
class PixelSums:
    """Integer sums over the pixels of a batch or of a whole split.

    Attributes:
        confusion: Pixel counts; rows are true classes, columns predicted ones.
        boundary: Those near edges of regions; None if boundary IoU is not measured.
        trimap: Those near edges between true classes, by radius; None if the curve is
            not measured.
    """

    confusion: Integer[Array | np.ndarray, "num_classes num_classes"]
    boundary: ClassCounts | None = None
    trimap: ClassCounts | None = None


@dataclasses.dataclass(frozen=True)
class Measures:
    """What an evaluation measures; by default all that a confusion matrix tells.

    Everything else costs time, in the compiled step or on the host, and is off.

    Attributes:
        absent: What 0/0 is for a class; see `quotients.Absent`.
        boundary: Width of the bands of boundary IoU, in diagonals of the image; 0 to
            leave it out. Cheng et al. use 0.02.
        trimap: Radii of the trimap curve in pixels, ascending; none to leave it out.
        sizes: Numbers of pixels that divide objects by size, ascending; none to leave
            it out.
        batch_mean: Images of the batches that metrics are averaged over; 0 to leave it
            out.
        images: Whether to keep the scores of each image.

    Raises:
        ValueError: If a value is not allowed.
    """

    absent: Absent = "skip"
    boundary: float = 0.0
    trimap: tuple[int, ...] = ()
    sizes: tuple[int, ...] = ()
    batch_mean: int = 0
    images: bool = False

    def __post_init__(self) -> None:
        check_absent(self.absent)
        if not 0 <= self.boundary < 1:
            raise ValueError(
                f"boundary={self.boundary}; allowed are 0 (not measured) up to, not"
                " including, 1, in diagonals of the image"
            )
        for name in ("trimap", "sizes"):
            values = tuple(getattr(self, name))
            if values != tuple(sorted(set(values))) or any(v < 1 for v in values):
                raise ValueError(
                    f"{name}={values}; allowed are ascending numbers from 1 on"
                )
        if self.batch_mean < 0:
            raise ValueError(f"batch_mean={self.batch_mean}; allowed is 0 or more")

    def sum_pixels(
        self, label: LabelMap, pred: LabelMap, num_classes: int
    ) -> PixelSums:
        """Counts the pixels of a batch; to be traced.

        Args:
            label: True class ids, or the ignore index.
            pred: Predicted class ids.
            num_classes: Number of classes, background included.

        Returns:
            int32 sums over the batch.
        """

        def over_batch(counts: ClassCounts) -> ClassCounts:
            return jax.tree.map(lambda x: jnp.sum(x, axis=0), counts)

        boundary = trimap = None
        if self.boundary:
            height, width = label.shape[1:3]
            band = boundary_width(height, width, self.boundary)
            boundary = over_batch(count_boundaries(label, pred, num_classes, band))
        if self.trimap:
            trimap = over_batch(count_trimaps(label, pred, num_classes, self.trimap))
        return PixelSums(confusion_matrix(label, pred, num_classes), boundary, trimap)

    def count_regions(
        self, label: LabelMap, pred: LabelMap, num_classes: int
    ) -> ClassCounts | None:
        """Counts the pixels of each image of a batch, if need be; to be traced.

        Returns:
            int32 counts `[batch, num_classes]`; None if nothing asks for them.
        """
        if not (self.images or self.sizes or self.batch_mean):
            return None
        return count_classes(*without_ignored(label, pred), num_classes)

    def no_pixels(self, num_classes: int) -> PixelSums:
        """The sums over no pixel at all, int64, on the host."""

        def zeros(*shape: int) -> np.ndarray:
            return np.zeros((*shape, num_classes), np.int64)

        trimap = [zeros(len(self.trimap)) for _ in range(3)]
        return PixelSums(
            zeros(num_classes),
            ClassCounts(zeros(), zeros(), zeros()) if self.boundary else None,
            ClassCounts(*trimap) if self.trimap else None,
        )

    def pixel_metrics(
        self, sums: PixelSums, class_names: Sequence[str]
    ) -> dict[str, float]:
        """Metrics of the sums over a split.

        Args:
            sums: int64 sums, on the host.
            class_names: Names of the classes, background first.

        Returns:
            Fractions in [0, 1]; NaN where undefined.
        """
        confusion = np.asarray(sums.confusion)
        metrics = segmentation_metrics(confusion, class_names, absent=self.absent)
        if sums.boundary is not None:
            metrics |= boundary_metrics(sums.boundary, class_names, absent=self.absent)
        if sums.trimap is not None:
            metrics |= trimap_metrics(sums.trimap, self.trimap, absent=self.absent)
        return metrics

    def region_metrics(
        self, regions: ClassCounts, class_names: Sequence[str]
    ) -> dict[str, float]:
        """Metrics of the images of a split.

        Args:
            regions: Of `count_regions`, `[images, num_classes]`, in the split's order.
            class_names: Names of the classes, background first.

        Returns:
            Fractions in [0, 1]; NaN where undefined.
        """
        metrics = {}
        if self.sizes:
            metrics |= size_metrics(regions, self.sizes, absent=self.absent)
        if self.batch_mean:
            metrics |= batch_mean_metrics(regions, class_names, self.batch_mean)
        return metrics
