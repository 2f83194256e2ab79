"""Steps in torch, as many as each line of standard input says.

A script for an interpreter with torch, which need not have this project: it imports
torch and its libraries alone.
"""

# torch is no dependency of this project.
# pyright: reportMissingImports=false

import argparse
import json
import sys
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from twins import TWINS, build, version

_WARM_UP = 3
_EAGER = "eager"

Step = Callable[[], None]


def as_outputs(outputs: torch.Tensor | dict[str, torch.Tensor]) -> dict:
    """The outputs of any library's model, by name."""
    if isinstance(outputs, torch.Tensor):
        return {"logits": outputs}
    if "out" in outputs:  # torchvision's
        return {"logits": outputs["out"]}
    return outputs


def objective(outputs: dict, label: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Cross-entropy, and the terms of the branches that the model has.

    Targets of branches, which take no time to speak of, are read off the labels' size
    alone.
    """
    loss = F.cross_entropy(outputs["logits"].float(), label)
    if "aux" in outputs:
        loss = loss + 0.4 * F.cross_entropy(outputs["aux"].float(), label)
    if "tags" in outputs:
        tags = torch.ones(len(label), num_classes - 1, device=label.device)
        boxes = torch.full_like(outputs["boxes"], 0.5, dtype=torch.float32)
        tag_loss = F.binary_cross_entropy_with_logits(outputs["tags"].float(), tags)
        box_loss = F.smooth_l1_loss(outputs["boxes"].float().sigmoid(), boxes)
        loss = loss + 0.5 * tag_loss + 75.0 * box_loss
    return loss


def make_optimizer(model: nn.Module) -> tuple[torch.optim.Optimizer, str]:
    """Adam in one kernel, where torch has that, and what it is called."""
    params = [p for p in model.parameters() if p.requires_grad]
    try:
        return torch.optim.Adam(params, lr=1e-4, fused=True), "fused Adam"
    except RuntimeError:
        return torch.optim.Adam(params, lr=1e-4), "Adam"


def count_flops(model: nn.Module, image: torch.Tensor) -> int:
    """Floating point operations of one image, forward."""
    model.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(image)
    return counter.get_total_flops()


def make_step(
    model: nn.Module,
    options: argparse.Namespace,
    image: torch.Tensor,
    label: torch.Tensor,
) -> tuple[Step, str]:
    """Returns the step, and the name of its optimiser.

    What is compiled is all up to the labels or the loss: in training that and its
    gradient are one graph each.
    """
    device, classes = image.device.type, options.classes
    bfloat16 = options.dtype == "bfloat16"

    def labels_of(image: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
            return as_outputs(model(image))["logits"].argmax(1)

    def loss_of(image: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
            outputs = as_outputs(model(image))
        return objective(outputs, label, classes)

    if options.what == "infer":
        infer_labels = compiled(labels_of, options.compile)

        def infer() -> None:
            with torch.inference_mode():
                infer_labels(image)

        return infer, "no optimiser"
    optimizer, name = make_optimizer(model)
    compute_loss = compiled(loss_of, options.compile)

    def train() -> None:
        optimizer.zero_grad(set_to_none=True)
        compute_loss(image, label).backward()
        optimizer.step()

    return train, name


def compiled(function: Callable, mode: str) -> Callable:
    """The function as `torch.compile` makes it in a mode, or as it is if eager."""
    if mode == _EAGER:
        return function
    made = torch.compile(function, mode=mode)

    def call(*arguments: torch.Tensor) -> torch.Tensor:
        # What the step before returned may be written over, by CUDA graphs.
        torch.compiler.cudagraph_mark_step_begin()
        return made(*arguments)

    return call


def run(step: Step, num_steps: int, *, cuda: bool) -> float:
    """Makes steps, waiting after the last; returns the seconds of one."""
    start = time.perf_counter()
    for _ in range(num_steps):
        step()
    if cuda:
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / num_steps


def device_name(*, cuda: bool) -> str:
    """What the steps run on."""
    return f"cuda ({torch.cuda.get_device_name()})" if cuda else "cpu"


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=tuple(TWINS), required=True)
    parser.add_argument("--device", choices=("cuda", "cpu"), required=True)
    parser.add_argument("--what", choices=("train", "infer"), default="train")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--compile", default=_EAGER)
    for name in ("batch", "height", "width", "classes", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    return parser.parse_args()


def main() -> None:
    """Answers each line with the seconds of a step, after a line about itself."""
    options = parse()
    cuda = options.device == "cuda"
    if cuda and not torch.cuda.is_available():
        sys.exit(
            f"error: {version()} of {sys.executable} sees no CUDA device, and the other"
            " side runs on one"
        )
    start = time.perf_counter()
    torch.set_num_threads(options.threads)
    torch.backends.cudnn.benchmark = True
    # As jax computes float32 on GPUs.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    size = (options.height, options.width)
    model = build(options.model, options.classes, size)
    model = model.to(options.device, memory_format=torch.channels_last)
    image = torch.randn(options.batch, 3, *size, device=options.device)
    image = image.contiguous(memory_format=torch.channels_last)
    shape = (options.batch, *size)
    label = torch.randint(options.classes, shape, device=options.device)
    hello = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "flops": count_flops(model, image[:1]),
        "version": version(),
    }
    model.train(options.what == "train")
    step, optimizer = make_step(model, options, image, label)
    run(step, _WARM_UP, cuda=cuda)
    hello |= {
        "settings": f"{device_name(cuda=cuda)}, channels_last, {options.dtype},"
        f" {optimizer}, TF32 on, cudnn.benchmark, {options.threads} threads",
        "start_seconds": time.perf_counter() - start,
    }
    print(json.dumps(hello), flush=True)
    for line in sys.stdin:
        seconds = run(step, int(line), cuda=cuda)
        print(json.dumps({"seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
