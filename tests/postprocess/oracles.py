"""Slow and plain: the CRF over all pairs of pixels, and the lattice as a dictionary."""

import numpy as np


def exact_crf(
    probs,
    image,
    *,
    bilateral_sxy,
    bilateral_srgb,
    bilateral_compat,
    gaussian_sxy,
    gaussian_compat,
    num_iterations,
):
    """Mean field over all pairs of pixels of a small image, float64."""
    height, width, num_classes = probs.shape
    y, x = np.mgrid[:height, :width]
    place = np.stack([x, y], -1).reshape(-1, 2).astype(np.float64)
    color = image.reshape(-1, 3).astype(np.float64)
    near = np.concatenate([place / bilateral_sxy, color / bilateral_srgb], 1)
    kernels = [
        bilateral_compat * _normalized(_gaussian(near)),
        gaussian_compat * _normalized(_gaussian(place / gaussian_sxy)),
    ]
    flat = probs.reshape(-1, num_classes).astype(np.float64)
    logits = np.log(np.clip(flat, 1e-5, 1))
    q = _softmax(logits)
    for _ in range(num_iterations):
        q = _softmax(logits + sum(kernel @ q for kernel in kernels))
    return q.reshape(probs.shape)


def _gaussian(features):
    square = (features**2).sum(1)
    distance = square[:, None] + square - 2 * features @ features.T
    return np.exp(-0.5 * np.maximum(distance, 0))


def _normalized(kernel):
    scale = 1 / np.sqrt(kernel.sum(1) + 1e-20)
    return scale[:, None] * kernel * scale


def _softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def lattice_filter(features, values):
    """The permutohedral lattice, point by point, its corners in a dictionary.

    Args:
        features: `[points, d]`, in standard deviations.
        values: `[points, channels]`.
    """
    d = features.shape[1]
    corners = [_corners(point) for point in features.astype(np.float64)]
    table = {}
    for shares, value in zip(corners, values, strict=True):
        for key, weight in shares:
            table[key] = table.get(key, 0) + weight * value
    for axis in range(d + 1):
        step = np.ones(d + 1, int)
        step[axis] = -d
        table = {
            key: value
            + 0.5 * table.get(tuple(np.add(key, step)), 0)
            + 0.5 * table.get(tuple(np.subtract(key, step)), 0)
            for key, value in table.items()
        }
    read = [sum(weight * table[key] for key, weight in shares) for shares in corners]
    return np.asarray(read) / (1 + 2.0**-d)


def _corners(point):
    """The corners of the simplex around a point, and its barycentric weights there."""
    d = len(point)
    basis = np.zeros((d + 1, d))
    for axis in range(d):
        basis[: axis + 1, axis] = 1
        basis[axis + 1, axis] = -(axis + 1)
    basis *= np.sqrt(2 / 3) * (d + 1) / np.linalg.norm(basis, axis=0)
    place = basis @ point
    # The nearest point whose coordinates are multiples of d + 1 and sum to 0.
    origin = (d + 1) * np.round(place / (d + 1)).astype(int)
    excess = origin.sum() // (d + 1)
    order = np.argsort(-(place - origin), kind="stable")
    for axis in order[d + 1 - excess :] if excess > 0 else order[:-excess]:
        origin[axis] -= np.sign(excess) * (d + 1)
    assert origin.sum() == 0
    rest = place - origin
    order = np.argsort(-rest, kind="stable")
    # From the origin one coordinate after another rises, the largest rest first.
    heights = rest[order]
    shares = [1 - (heights[0] - heights[-1]) / (d + 1)]
    shares += [(heights[k - 1] - heights[k]) / (d + 1) for k in range(1, d + 1)]
    found = []
    for k in range(d + 1):
        key = origin + k
        key[order[d + 1 - k :]] -= d + 1
        found.append((tuple(key.tolist()), shares[d + 1 - k] if k else shares[0]))
    return found
