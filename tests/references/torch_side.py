"""What the scripts that run a public torch model share."""

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from tests.references import fixture
from tests.references.draw import draw_image, draw_label, draw_state

Size = tuple[int, int]


def record(
    model: torch.nn.Module,
    reference: str,
    *,
    library: str,
    sizes: Sequence[Size],
    forward: Callable[[torch.Tensor], Mapping[str, torch.Tensor]],
    suffix: str = "",
    folder: str = "",
    gradients: Sequence[str] = (),
    num_classes: int | None = None,
    **options: int | bool,
) -> None:
    """Draws a model's weights, runs it in evaluation mode, stores its outputs.

    Args:
        model: The public model.
        reference: Its name.
        library: Name and version of its library.
        sizes: (height, width) of the images.
        forward: From NCHW images to named outputs; calls the model.
        suffix: Appended to the name of the fixture.
        folder: Folder of a fixture that is of no public implementation.
        gradients: Parameters by which to differentiate the loss in training mode, at
            the first size; none for no training mode. The loss is the cross-entropy of
            the output "logits", mean over pixels, 255 ignored; dropout is off, and
            all is computed in float64.
        num_classes: Number of classes, for models that have one.
        **options: Further keyword arguments of `reference_module`.
    """
    shapes = {name: tuple(t.shape) for name, t in model.state_dict().items()}
    load = functools.partial(
        model.load_state_dict,
        {name: torch.from_numpy(v) for name, v in draw_state(shapes).items()},
    )
    load()
    samples = {}
    model.train(False)
    for size in sizes:
        with torch.no_grad():
            outputs = forward(_images(size))
        for name, output in outputs.items():
            key = f"eval/{size[0]}x{size[1]}/{name}"
            samples[key] = fixture.sample(key, _channels_last(output))
    if gradients:
        samples |= _train(model, forward, sizes[0], gradients, num_classes)
        load()
    if num_classes is not None:
        options["num_classes"] = num_classes
    fixture.save(
        fixture.Fixture(reference, library, shapes, samples, options),
        fixture.path_of(reference, suffix, folder),
    )


def _train(
    model: torch.nn.Module,
    forward: Callable[[torch.Tensor], Mapping[str, torch.Tensor]],
    size: Size,
    gradients: Sequence[str],
    num_classes: int | None,
) -> dict[str, fixture.Sample]:
    # Rounding to float32 moves values across the kink of a ReLU, and with each the
    # gradients of the layers before it: by a hundredth, in a deep network.
    model.double().train()
    for module in model.modules():
        if isinstance(module, torch.nn.modules.dropout._DropoutNd):
            module.eval()
    outputs = forward(_images(size).double())
    label = torch.from_numpy(draw_label(size, num_classes).astype(np.int64))
    loss = torch.nn.functional.cross_entropy(outputs["logits"], label, ignore_index=255)
    loss.backward()
    parameters = dict(model.named_parameters())
    arrays = {f"train/{size[0]}x{size[1]}/{k}": v for k, v in outputs.items()}
    samples = {
        key: fixture.sample(key, _channels_last(value)) for key, value in arrays.items()
    }
    for name in gradients:
        key = f"grad/{size[0]}x{size[1]}/{name}"
        samples[key] = fixture.sample(key, parameters[name].grad.numpy())
    model.float()
    return samples


def _images(size: Size) -> torch.Tensor:
    return torch.from_numpy(draw_image(size)).permute(0, 3, 1, 2).contiguous()


def _channels_last(x: torch.Tensor) -> np.ndarray:
    return np.moveaxis(x.detach().numpy(), 1, -1)
