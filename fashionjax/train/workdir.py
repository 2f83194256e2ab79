"""The folder of a run, looked at before any work is done for it."""

import os
from pathlib import Path


def check_writable(workdir: Path) -> None:
    """Refuses a folder that nothing could be saved to; creates nothing.

    Args:
        workdir: The folder, which need not exist yet.

    Raises:
        ValueError: If it is not writable, or could not be created.
    """
    existing = next(
        path for path in (workdir, *workdir.absolute().parents) if path.exists()
    )
    if not existing.is_dir():
        reason = f"{existing} is a file"
    elif not os.access(existing, os.W_OK | os.X_OK):
        reason = f"no permission to write in {existing}"
    else:
        return
    raise ValueError(f"cannot write to {workdir}: {reason}; choose another --workdir")
