"""Command line of published weights: `python -m fashionjax.pretrained verify FILE`."""

import argparse
import math
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from fashionjax.pretrained.checksums import (
    check_file_name,
    content_sha256,
    file_sha256,
    find_published,
)
from fashionjax.pretrained.errors import WeightsError
from fashionjax.pretrained.hub import normalization_beside, to_torchvision_names
from fashionjax.pretrained.matching import Match, find_matches
from fashionjax.pretrained.native import (
    flatten,
    is_native,
    save_native,
    split_native,
)
from fashionjax.pretrained.read import READERS, read_state
from fashionjax.pretrained.references import REFERENCES, convert, find_reference, to_rgb

_NUM_SHOWN = 12


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: Words after the program's name; None takes the process's own.

    Returns:
        The exit status: 0, or 1 for an error that is told in one message.
    """
    options = _parser().parse_args(arguments)
    # Nothing here needs more than the host, whose accelerators others may use.
    jax.config.update("jax_platforms", "cpu")
    try:
        if options.command == "verify":
            _verify(options.file, options.reference, show_all=options.all)
        else:
            _convert(options)
    except (ValueError, OSError) as error:
        print(_printable(f"error: {error}"), file=sys.stderr)
        return 1
    return 0


def _printable(text: str) -> str:
    """Keeps what a hostile file calls its tensors from steering the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)


def _verify(path: Path, reference: str | None, *, show_all: bool) -> None:
    state = read_state(path)
    sha256 = file_sha256(path)
    check_file_name(path, sha256)
    lines = [f"file        {path}", f"sha256      {sha256}"]
    if is_native(state):
        split_native(state)
        lines.append("reference   variables of fashionjax, written by `convert`")
    else:
        names = None if reference is None else [reference]
        state_of_reference = to_torchvision_names(state)
        try:
            matches = find_matches(state_of_reference, names)
        except WeightsError as error:
            raise WeightsError(f"{path}: {error}") from None
        blank = {name for match in matches for name in match.blank}
        # Tensors that a reference drops were not looked at.
        _check_finite(path, state_of_reference, blank)
        lines += _describe_matches(matches, sha256)
    sizes = [math.prod(array.shape) for array in state.values()]
    lines += [
        f"tensors     {len(state):,} with {sum(sizes):,} values",
        f"content     sha256 {content_sha256(state)}",
        "",
        *_table(state, show_all=show_all),
    ]
    print("\n".join(lines))


def _describe_matches(matches: Sequence[Match], sha256: str) -> list[str]:
    lines = []
    for match in matches:
        module = find_reference(match.reference).make(match.options)
        parameters = flatten(match.variables["params"])
        count = sum(array.size for array in parameters.values())
        lines.append(
            f"reference   {match.reference}: {type(module).__name__}"
            f", {count:,} parameters"
        )
        if match.options.head:
            lines[-1] += f", {match.options.num_classes} classes"
        if match.blank:
            lines.append(
                f"head        its {len(match.blank)} tensors are not numbers: only the"
                " encoder is of use"
            )
    references = [match.reference for match in matches]
    published = find_published(sha256, references)
    files = [p for name in references for p in find_reference(name).published]
    prefixes = ", ".join(p.sha256[:8] for p in files if p.sha256)
    if published is not None:
        lines.append(f"checksum    that of the published {published.url}")
    elif prefixes:
        lines.append(f"checksum    none of the published ones ({prefixes}…)")
    else:
        lines.append("checksum    none is published")
    licences = dict.fromkeys(p.licence for p in ([published] if published else files))
    if licences:
        lines.append(f"licence     {' | '.join(licences)}")
        if published is None:
            lines[-1] += " (of the published file)"
    return lines


def _check_finite(
    path: Path, state: Mapping[str, np.ndarray], blank: Collection[str]
) -> None:
    bad = [
        name
        for name, array in state.items()
        if name not in blank
        and jnp.issubdtype(array.dtype, jnp.floating)
        and not np.isfinite(array.astype(np.float64)).all()
    ]
    if bad:
        more = f" and {len(bad) - 8} more" if len(bad) > 8 else ""
        raise WeightsError(
            f"{path}: values that are not finite in {', '.join(bad[:8])}{more}"
        )


def _table(state: Mapping[str, np.ndarray], *, show_all: bool) -> list[str]:
    names = list(state)
    shown = names if show_all else names[:_NUM_SHOWN]
    texts = [_printable(name).replace("\n", " ") for name in shown]
    width = max(map(len, texts))
    lines = [
        f"{text:{width}}  {state[name].dtype!s:8}  {state[name].shape}"
        for text, name in zip(texts, shown, strict=True)
    ]
    if len(shown) < len(names):
        lines.append(f"… and {len(names) - len(shown)} more; --all shows them")
    return lines


def _convert(options: argparse.Namespace) -> None:
    state = read_state(options.file)
    sha256 = file_sha256(options.file)
    check_file_name(options.file, sha256)
    reference = find_reference(options.reference)
    try:
        variables = convert(
            options.reference,
            to_torchvision_names(state),
            head=options.head,
            aux=options.aux,
        )
    except ValueError as error:
        raise WeightsError(f"{options.file}: {error}") from None
    # What images are for the file's readers is RGB, whatever they were for the file.
    flat = flatten(to_rgb(options.reference, variables))
    published = find_published(sha256, [options.reference])
    normalization = (
        normalization_beside(options.file)
        or (published and published.normalization)
        or reference.normalization
    )
    save_native(options.out, flat, normalization)
    print(f"wrote {len(flat)} variables to {options.out}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fashionjax.pretrained",
        description="Published weights: what a file holds, and its variables for us."
        " Nothing in a file is ever run.",
        epilog=f"References: {', '.join(REFERENCES)}.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser(
        "verify",
        help="say what a file holds",
        description="Names the reference that a file's tensors fit exactly, their"
        " checksum and licence; fails on anything that is wrong.",
    )
    convert_ = commands.add_parser(
        "convert",
        help="write a file's tensors as our variables",
        description="Writes variables (params/…, batch_stats/…) and the images'"
        " normalisation as .npz, which --config.model.pretrained=FILE.npz reads.",
    )
    for command in (verify, convert_):
        command.add_argument(
            "file", type=Path, metavar="FILE", help=f"weights: {', '.join(READERS)}"
        )
    verify.add_argument(
        "--reference", metavar="NAME", help="what it should be; default: try all"
    )
    verify.add_argument("--all", action="store_true", help="list every tensor")
    convert_.add_argument(
        "--reference", metavar="NAME", required=True, help="what it is"
    )
    convert_.add_argument(
        "--out", type=Path, metavar="FILE.npz", required=True, help="file to write"
    )
    convert_.add_argument(
        "--head", action="store_true", help="a classifier's head as well"
    )
    convert_.add_argument(
        "--aux", action="store_true", help="the auxiliary head as well"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
