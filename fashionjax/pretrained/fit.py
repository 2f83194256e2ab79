"""From the variables of a reference to those of a model that is about to be trained."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from fashionjax.models.classifier import Classifier
from fashionjax.pretrained.convert import convert_state, expected_shapes
from fashionjax.pretrained.errors import WeightsError
from fashionjax.pretrained.matching import Match
from fashionjax.pretrained.native import Arrays, flatten
from fashionjax.pretrained.references import find_reference, to_rgb

Shapes = Mapping[str, tuple[int, ...]]
"""Shapes of a model's variables, by path ("params/encoder/…/kernel")."""

_ENCODER = "encoder"
_NUM_SHOWN = 4


def fit_matches(
    matches: Sequence[Match], state: Mapping[str, np.ndarray], shapes: Shapes
) -> tuple[str, Arrays]:
    """Finds the reference whose encoder, or whole model, is that of the model.

    Args:
        matches: References that the state dict is of.
        state: The state dict.
        shapes: Of the model's variables.

    Returns:
        Name of the reference, and arrays by the model's paths. Of a whole model the
        class scores are left out where the number of classes is another.

    Raises:
        WeightsError: If none fits, or two that normalise images differently.
    """
    fitting: dict[str, Arrays] = {}
    problems = []
    for match in matches:
        for variables in _parts(match, state):
            try:
                fitting[match.reference] = fit(variables, shapes, _class_paths(match))
                break
            except WeightsError as error:
                problems.append(f"as {match.reference}, {error}")
    if not fitting:
        raise WeightsError("; ".join(problems))
    if len({find_reference(name).normalization for name in fitting}) > 1:
        raise WeightsError(
            f"they may be of {' or '.join(fitting)}, which normalise images differently"
        )
    return next(iter(fitting.items()))


def fit(variables: Arrays, shapes: Shapes, class_paths: frozenset[str]) -> Arrays:
    """Takes variables for a model's encoder or for all of it.

    Args:
        variables: Arrays by path: those of an encoder alone, with or without
            "encoder/", or those of a whole model.
        shapes: Of the model's variables.
        class_paths: Variables that may have another number of classes, and are then
            left out.

    Returns:
        Arrays by the model's paths.

    Raises:
        WeightsError: If any variable is missing, unknown or of another shape.
    """
    if not any(_is_encoders(path) for path in variables):
        with_prefix = {_in_encoder(path): array for path, array in variables.items()}
        variables = variables if set(variables) == set(shapes) else with_prefix
    wanted = shapes
    if all(_is_encoders(path) for path in variables):
        wanted = {path: shape for path, shape in shapes.items() if _is_encoders(path)}
    other_classes = {
        path
        for path in class_paths & variables.keys() & wanted.keys()
        if variables[path].shape != wanted[path]
    }
    # A wrong kernel says more than the statistics that follow from it.
    paths = sorted({**wanted, **variables}, key=lambda p: not p.startswith("params/"))
    problems = [
        problem
        for path in paths
        if path not in other_classes and (problem := _problem(path, variables, wanted))
    ]
    if problems:
        more = len(problems) - _NUM_SHOWN
        shown = problems[:_NUM_SHOWN] + ([f"and {more} more"] if more > 0 else [])
        raise WeightsError(f"they do not fit the model: {'; '.join(shown)}")
    return {p: array for p, array in variables.items() if p not in other_classes}


def _problem(path: str, variables: Arrays, wanted: Shapes) -> str:
    if path not in variables:
        return f"{path} is missing"
    if path not in wanted:
        return f"the model has no {path}"
    if variables[path].shape != wanted[path]:
        return f"{path} has shape {variables[path].shape}, the model's {wanted[path]}"
    return ""


def _parts(match: Match, state: Mapping[str, np.ndarray]) -> Iterator[Arrays]:
    """What of a published state a model may take, the most first."""
    reference = find_reference(match.reference)
    variables = flatten(to_rgb(match.reference, match.variables))
    if isinstance(reference.make(match.options), Classifier):
        variables = {p: array for p, array in variables.items() if _is_encoders(p)}
    yield variables
    if match.options.aux:
        bare = dataclasses.replace(match.options, aux=False)
        yield flatten(convert_state(reference, match.reference, state, bare))


def _class_paths(match: Match) -> frozenset[str]:
    """Variables whose shape depends on the number of classes."""
    reference = find_reference(match.reference)
    options = match.options
    if isinstance(reference.make(options), Classifier):
        return frozenset()
    more = dataclasses.replace(options, num_classes=options.num_classes + 1)
    ours, theirs = (
        expected_shapes(reference.make(o), reference.image_size)
        for o in (options, more)
    )
    return frozenset(path for path in ours if ours[path] != theirs[path])


def _is_encoders(path: str) -> bool:
    return path.split("/")[1] == _ENCODER


def _in_encoder(path: str) -> str:
    collection, _, rest = path.partition("/")
    return f"{collection}/{_ENCODER}/{rest}"
