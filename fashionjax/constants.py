"""Names and ids that every part of the project shares. Imports nothing."""

IGNORE_INDEX = 255
"""Label of the pixels that no loss and no metric looks at."""

BACKGROUND = 0
"""Label of everything that is not clothing; always class 0."""

IMAGE = "image"
"""Batch key: uint8 `[batch, height, width, 3]`, RGB."""

LABEL = "label"
"""Batch key: uint8 `[batch, height, width]`, class ids or `IGNORE_INDEX`."""

EXAMPLE_INDEX = "example_index"
"""Batch key: int32 `[batch]`, position of the example in its split."""

EXAMPLES = "examples"
"""Batch key: uint8 `[examples, height, width, 4]`, a whole split, the label behind RGB.
Stands in place of `IMAGE` and `LABEL` where the split lies on the devices."""

EXAMPLE_MASK = "example_mask"
"""Batch key: bool `[batch]`, False for the rows that only fill up a last batch."""

STOP = "stop"
"""Batch key: int32 `[batch]`, above 0 in the rows of a process that was asked to stop.
Its maximum over a batch is how all processes agree on the step to stop at."""

FIXED = "fixed"
"""What the name of a submodule begins with whose parameters are never trained: neither
by gradients nor by weight decay."""
