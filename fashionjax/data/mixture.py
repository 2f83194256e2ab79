"""Several datasets as one, under the same classes."""

import bisect
import itertools
from collections.abc import Mapping
from typing import Any

from fashionjax.data.prepared import PreparedSource
from fashionjax.data.resized import ResizedSource


class Mixture:
    """The examples of several sources, one source after the other.

    It can be pickled, as they can.

    Attributes:
        names: What each source is called.
        sources: The sources.

    Args:
        sources: One split of each dataset by its name; their label maps have the same
            classes.

    Raises:
        ValueError: Other classes or another size.
    """

    def __init__(self, sources: Mapping[str, PreparedSource | ResizedSource]) -> None:
        first = next(iter(sources.values()))
        for name, source in sources.items():
            classes = source.class_names
            if classes != first.class_names or source.size != first.size:
                raise ValueError(
                    f"{name} has the classes {classes} at {source.size}; allowed are"
                    f" those of the first, {first.class_names} at"
                    f" {first.size}"
                )
        self.names = list(sources)
        self.sources = list(sources.values())
        self._ends = list(itertools.accumulate(map(len, self.sources)))

    def __len__(self) -> int:
        """Number of examples of all."""
        return self._ends[-1]

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Reads an example; its `image_id` is `DATASET/ID`.

        Raises:
            IndexError: No example has this index.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"example {index} of {len(self)}")
        part = bisect.bisect_right(self._ends, index)
        source = self.sources[part]
        example = source[index - self._ends[part] + len(source)]
        return example | {"image_id": f"{self.names[part]}/{example['image_id']}"}
