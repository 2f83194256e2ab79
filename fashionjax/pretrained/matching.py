"""Which references a state dict belongs to, by the names and shapes of its tensors."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np

from fashionjax.pretrained.convert import ConversionError, convert_state, knows
from fashionjax.pretrained.errors import WeightsError
from fashionjax.pretrained.reference import Options, Reference
from fashionjax.pretrained.references import REFERENCES, find_reference
from fashionjax.pretrained.rules import Rules, find_rule


@dataclasses.dataclass(frozen=True)
class Match:
    """A reference whose rules fit a state dict exactly.

    Attributes:
        reference: Its name.
        options: With what: the head and the auxiliary head where the state has them.
        variables: All of the state that the reference has, in our names and layouts.
        blank: Names of a head's tensors that have no finite value, without which the
            state is matched.
    """

    reference: str
    options: Options
    variables: dict[str, Any]
    blank: frozenset[str] = frozenset()


def find_matches(
    state: Mapping[str, np.ndarray], names: Iterable[str] | None = None
) -> list[Match]:
    """Tries the references whose names the tensors have.

    Args:
        state: Tensors by their published names.
        names: References to try; all if None.

    Returns:
        At least one match.

    Raises:
        WeightsError: If no reference fits; says what is wrong for the nearest one.
        ValueError: If a name is unknown.
    """
    names = list(REFERENCES if names is None else names)
    known = {name: _count_known(name, state) for name in names}
    most = max(known.values())
    if not most:
        raise WeightsError(
            f"no tensor has a name that {_either(names)} knows; the first are"
            f" {', '.join(list(state)[:3])}"
        )
    matches: list[Match] = []
    failures: list[ConversionError] = []
    for name in (name for name in names if known[name] == most):
        try:
            matches.append(_match(name, state))
        except ConversionError as error:
            failures.append(error)
    if not matches:
        nearest = min(failures, key=lambda error: error.num_problems)
        raise WeightsError(str(nearest)) from None
    return matches


def blank_head(reference: Reference, state: Mapping[str, np.ndarray]) -> frozenset[str]:
    """The tensors of a classifier's head, if none of them has a finite value.

    Weights of an encoder alone are also published as a classifier whose head was filled
    with NaN, so that nobody takes it for a trained one.

    Args:
        reference: The public implementation that the state dict is of.
        state: Tensors by their published names.

    Returns:
        Their names; none if any of them is a number, or there is no head.
    """
    if not reference.has_head(state):
        return frozenset()
    bare = reference.rules(Options(reference.num_classes))
    whole = reference.rules(Options(reference.num_classes, head=True))
    head = [
        name
        for name, tensor in state.items()
        if jnp.issubdtype(tensor.dtype, jnp.floating)
        and not _is_kept(bare, name)
        and _is_kept(whole, name)
    ]
    is_blank = all(
        state[name].size and not np.isfinite(state[name]).any() for name in head
    )
    return frozenset(head if is_blank else ())


def _is_kept(rules: Rules, name: str) -> bool:
    found = find_rule(rules, name.rpartition(".")[0])
    return found is not None and found[1] is not None


def _either(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else "any reference"


def _options(name: str, state: Mapping[str, np.ndarray]) -> list[Options]:
    """What the state may be of the reference, the most complete first."""
    reference = find_reference(name)
    num_classes = reference.num_classes_of(state)
    head = reference.has_head(state) and not blank_head(reference, state)
    aux, bare = (Options(num_classes, head=head, aux=aux) for aux in (True, False))
    differ = reference.rules(aux) != reference.rules(bare)
    return [aux, bare] if differ else [bare]


def _count_known(name: str, state: Mapping[str, np.ndarray]) -> int:
    """Number of the tensors whose names the reference knows, dropped ones too."""
    reference = find_reference(name)
    rules = reference.rules(_options(name, state)[0])
    return sum(knows(rules, key) for key in state)


def _match(name: str, state: Mapping[str, np.ndarray]) -> Match:
    failures = []
    for options in _options(name, state):
        try:
            variables = convert_state(find_reference(name), name, state, options)
        except ConversionError as error:
            failures.append(error)
        else:
            blank = blank_head(find_reference(name), state)
            return Match(name, options, variables, blank)
    raise min(failures, key=lambda error: error.num_problems)
