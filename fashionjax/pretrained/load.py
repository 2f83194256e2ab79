"""Published weights for a model that is about to be trained."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fashionjax.augment import Normalization
from fashionjax.pretrained import efficientnet_lite, hub
from fashionjax.pretrained.checksums import (
    check_file_name,
    file_sha256,
    find_published,
)
from fashionjax.pretrained.errors import WeightsError
from fashionjax.pretrained.fit import Shapes, fit, fit_matches
from fashionjax.pretrained.matching import find_matches
from fashionjax.pretrained.native import is_native, split_native
from fashionjax.pretrained.read import READERS, read_state
from fashionjax.pretrained.reference import Published, Reference
from fashionjax.pretrained.references import REFERENCES, find_reference

NONE = "none"
"""The name that asks for no weights."""

_HINT = "; go on without them by --config.model.pretrained=none"


@dataclasses.dataclass(frozen=True)
class Weights:
    """Published weights, converted for a model.

    Attributes:
        name: What was asked for: a file, or a name.
        path: The file that they were read from.
        sha256: Its checksum.
        reference: The public implementation that they are of; "" for our own files.
        licence: Their licence, as their publisher states it.
        normalization: Of the images that they were trained with; None where a file of
            ours does not say.
        variables: Arrays by the paths of the model's variables, float32: of its whole
            encoder, or of all of the model but perhaps its class scores.
    """

    name: str
    path: Path
    sha256: str
    reference: str
    licence: str
    normalization: Normalization | None
    variables: Mapping[str, np.ndarray]

    def describe(self) -> str:
        """One line of what was read, from where, under which licence."""
        kind = f" ({self.reference})" if self.reference not in ("", self.name) else ""
        return (
            f"Pretrained: {len(self.variables)} tensors of {self.name}{kind}, sha256"
            f" {self.sha256[:12]}…; licence: {self.licence}"
        )


@dataclasses.dataclass(frozen=True)
class _Source:
    """A file of weights and what is known of it apart from its tensors."""

    path: Path
    references: tuple[str, ...] | None = None
    repository: str | None = None
    licence: str | None = None
    normalization: Normalization | None = None


def load_pretrained(name: str, shapes: Shapes) -> Weights:
    """Finds, reads and converts published weights for a model.

    Args:
        name: A file that `read_state` reads, or that `fashionjax.pretrained convert`
            wrote; the name of a reference whose weights are on the Hub or in an
            installed package; or a Hub repository "timm/…".
        shapes: Of the model's variables.

    Returns:
        Variables for the model's encoder, or for the whole model.

    Raises:
        WeightsError: If the weights cannot be had or are not of this model; the message
            says how to go on without.
    """
    try:
        source = _find(name)
        return _load(name, source, shapes)
    except ValueError as error:
        raise WeightsError(f"pretrained={name!r}: {error}{_HINT}") from None


def _find(name: str) -> _Source:
    if Path(name).suffix.lower() in READERS:
        path = Path(name)
        return _Source(path, normalization=hub.normalization_beside(path))
    if name == "efficientnet_lite0":
        try:
            return _Source(efficientnet_lite.installed_weights(), (name,))
        except FileNotFoundError as error:
            raise WeightsError(str(error)) from None
    repository = hub.repository_of(name)
    if repository is not None:
        file = hub.fetch(repository)
        # A reference is found by its tensors where the name is only the repository's.
        references = (name,) if name in REFERENCES else None
        return _Source(
            path=file.path,
            references=references,
            repository=repository,
            licence=file.licence,
            normalization=file.normalization,
        )
    if name in REFERENCES:
        published = [p.url for p in REFERENCES[name].published]
        where = f" (published: {', '.join(published)})" if published else ""
        raise WeightsError(
            f"its weights{where} are not downloaded by fashionjax; get the file and"
            " name it instead"
        )
    raise WeightsError(
        f"is no file of weights ({', '.join(READERS)}), no Hub repository timm/… and"
        f" none of {', '.join(REFERENCES)}"
    )


def _load(name: str, source: _Source, shapes: Shapes) -> Weights:
    state = read_state(source.path)
    sha256 = file_sha256(source.path)
    check_file_name(source.path, sha256)
    if is_native(state):
        variables, normalization = split_native(state)
        return Weights(
            name=name,
            path=source.path,
            sha256=sha256,
            reference="",
            licence="see where they were converted from",
            normalization=normalization,
            variables=fit(variables, shapes, frozenset()),
        )
    state = hub.to_torchvision_names(state)
    matches = find_matches(state, source.references)
    reference, variables = fit_matches(matches, state, shapes)
    found = find_reference(reference)
    published = find_published(sha256, [reference])
    if published is None:
        published = next(
            (p for p in found.published if p.url == source.repository), None
        )
    normalization = source.normalization or (published and published.normalization)
    return Weights(
        name=name,
        path=source.path,
        sha256=sha256,
        reference=reference,
        licence=_licence(source, published, found),
        normalization=normalization or found.normalization,
        variables=variables,
    )


def _licence(source: _Source, published: Published | None, found: Reference) -> str:
    """What is known of a file's licence, the surest first."""
    if source.licence is not None:
        return source.licence
    if published is not None:
        return published.licence
    if source.repository is not None:
        return f"see https://huggingface.co/{source.repository}"
    # Trained by somebody else, in another format, or just not published with a
    # checksum: most probably like what was published first.
    first = next(iter(found.published), Published(""))
    return f"{first.licence} (of the published file)"
