"""Writes the small files of torch that the tests read; needs torch.

    python -m tests.pretrained.make_torch_files

Each holds the tensors of `EXPECTED`, which the tests compare with.
"""

import collections
import pathlib

import numpy as np

FOLDER = pathlib.Path(__file__).parent / "files"


def expected():
    """What is in every file, as NumPy arrays; "half" and "brain" in other types."""
    rng = np.random.default_rng(0)
    base = rng.normal(size=(4, 3, 2)).astype(np.float32)
    return {
        "plain": base,
        "transposed": base.transpose(2, 0, 1),
        "column": base[:, 1, 0],
        "rows": base[1:3],
        "shared": base,
        "parameter": np.arange(3, dtype=np.float32),
        "half": np.asarray([0.5, -2.0, 65504.0], np.float16),
        "brain": np.asarray([0.5, -2.0, 3e38], np.float32),
        "count": np.asarray(7, np.int64),
        "mask": np.asarray([True, False]),
        "empty": np.zeros((0, 3), np.float32),
    }


def _state(torch):
    arrays = expected()
    base = torch.from_numpy(arrays["plain"].copy())
    state = collections.OrderedDict()
    state["plain"] = base
    state["transposed"] = base.permute(2, 0, 1)
    state["column"] = base[:, 1, 0]
    state["rows"] = base[1:3]
    state["shared"] = base
    state["parameter"] = torch.nn.Parameter(torch.from_numpy(arrays["parameter"]))
    state["half"] = torch.from_numpy(arrays["half"])
    state["brain"] = torch.from_numpy(arrays["brain"]).to(torch.bfloat16)
    state["count"] = torch.tensor(7)
    state["mask"] = torch.tensor([True, False])
    state["empty"] = torch.zeros(0, 3)
    # As Module.state_dict has it.
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    return state


def main():
    import torch

    FOLDER.mkdir(exist_ok=True)
    state = _state(torch)
    old = {"_use_new_zipfile_serialization": False}
    torch.save(state, FOLDER / "zip.pth")
    torch.save(state, FOLDER / "legacy.pth", **old)
    torch.save(state, FOLDER / "zip_protocol4.pt", pickle_protocol=4)
    meta = {"env": "text", "classes": ["a", "b"], "size": torch.Size([1, 2])}
    torch.save({"meta": meta, "state_dict": state}, FOLDER / "mmseg.pth", **old)
    torch.save({"model": state, "epoch": 3, "args": None}, FOLDER / "model.bin")
    torch.save({**state, "epoch": 3, "name": "x"}, FOLDER / "beside.pth")
    torch.save(torch.nn.Linear(2, 1), FOLDER / "module.pth")
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 1)), FOLDER / "script.pt")


if __name__ == "__main__":
    main()
