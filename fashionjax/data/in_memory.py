"""Examples that are read once and then kept in memory."""

from typing import Any

from fashionjax.constants import IMAGE, LABEL
from fashionjax.data.dataset import Source


class InMemory:
    """The examples of a source, each decoded once in every process that reads.

    They take 4 * height * width bytes each: 900 photos of 144x96 50 MB, 45,000 of
    288x192 10 GB. Can be pickled as the source can; each process has its own.

    Args:
        source: Where they come from.

    Attributes:
        source: The same.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._examples: dict[int, dict[str, Any]] = {}

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.source)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Returns the example of the source, its arrays read-only."""
        if index not in self._examples:
            example = self.source[index]
            for key in (IMAGE, LABEL):
                example[key].setflags(write=False)
            self._examples[index] = example
        return dict(self._examples[index])

    def __getstate__(self) -> dict[str, Any]:
        """Everything but what a process has to read itself."""
        return {"source": self.source, "_examples": {}}
