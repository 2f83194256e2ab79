"""Inference by pydensecrf2, as often as each line of standard input says.

A script for an interpreter with pydensecrf2, which need not have this project: it
imports NumPy and that library alone. One thread, which is all that it has.
"""

# pydensecrf2 is no dependency of this project.
# pyright: reportMissingImports=false

import argparse
import importlib.metadata
import json
import sys
import time

import numpy as np
from pydensecrf import densecrf
from pydensecrf.utils import unary_from_softmax


def infer(
    probs: np.ndarray, image: np.ndarray, options: argparse.Namespace
) -> np.ndarray:
    """Does what `fashionjax.postprocess.dense_crf` does for one image."""
    height, width, num_classes = probs.shape
    field = densecrf.DenseCRF2D(width, height, num_classes)
    planes = np.ascontiguousarray(np.moveaxis(probs, -1, 0))
    field.setUnaryEnergy(unary_from_softmax(planes))
    field.addPairwiseGaussian(sxy=options.gaussian_sxy, compat=options.gaussian_compat)
    field.addPairwiseBilateral(
        sxy=options.bilateral_sxy,
        srgb=options.bilateral_srgb,
        rgbim=image,
        compat=options.bilateral_compat,
    )
    marginals = np.asarray(field.inference(options.num_iterations))
    return np.moveaxis(marginals.reshape(num_classes, height, width), 0, -1)


def parse() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--case", required=True, help=".npz of probs and image")
    parser.add_argument("--result", required=True, help=".npy to write marginals to")
    for kernel in ("bilateral", "gaussian"):
        parser.add_argument(f"--{kernel}_sxy", type=float, required=True)
        parser.add_argument(f"--{kernel}_compat", type=float, required=True)
    parser.add_argument("--bilateral_srgb", type=float, required=True)
    parser.add_argument("--num_iterations", type=int, required=True)
    return parser.parse_args()


def main() -> None:
    """Answers each line with the seconds of an image, after a line about itself."""
    options = parse()
    with np.load(options.case) as case:
        probs, image = case["probs"], np.ascontiguousarray(case["image"])
    np.save(options.result, infer(probs, image, options))
    version = importlib.metadata.version("pydensecrf2")
    print(json.dumps({"version": f"pydensecrf2 {version}"}), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            infer(probs, image, options)
        seconds = (time.perf_counter() - start) / int(line)
        print(json.dumps({"seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
