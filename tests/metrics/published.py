"""Tables that documents published, and confusion matrices that lead to them."""

import numpy as np

S3_CLASSES = (
    "background",
    "top",
    "overtop",
    "pants",
    "shorts",
    "skirt",
    "dress",
    "shoe",
    "bag",
)

# Table 3 of S3 in percent of the true class: one row a true class.
S3_ROW_PERCENT = np.array(
    [
        [98.08, 0.3, 0.38, 0.36, 0.03, 0.08, 0.52, 0.18, 0.09],
        [1.88, 83.56, 8.59, 0.33, 0.09, 0.19, 5.26, 0.0, 0.11],
        [1.96, 7.03, 86.53, 0.48, 0.04, 0.26, 3.34, 0.0, 0.37],
        [2.62, 0.79, 0.92, 92.14, 0.37, 1.23, 1.2, 0.56, 0.16],
        [1.61, 2.13, 0.57, 4.38, 79.78, 7.21, 4.18, 0.01, 0.14],
        [1.8, 0.83, 0.97, 3.21, 2.99, 65.08, 24.72, 0.05, 0.34],
        [1.98, 3.0, 2.35, 0.19, 0.08, 2.15, 90.1, 0.04, 0.11],
        [11.08, 0.01, 0.15, 3.3, 0.02, 0.1, 0.73, 84.41, 0.21],
        [13.64, 2.69, 10.71, 1.2, 0.55, 1.9, 5.81, 0.13, 63.37],
    ]
)

# The same in percent of the predicted class.
S3_COLUMN_PERCENT = np.array(
    [
        [99.21, 3.82, 4.87, 9.96, 5.57, 4.9, 4.48, 21.2, 20.05],
        [0.15, 84.45, 8.68, 0.71, 1.48, 0.95, 3.54, 0.0, 1.92],
        [0.15, 6.65, 81.83, 0.97, 0.6, 1.2, 2.1, 0.03, 6.31],
        [0.09, 0.34, 0.4, 84.83, 2.48, 2.63, 0.34, 2.21, 1.22],
        [0.01, 0.13, 0.04, 0.58, 77.2, 2.24, 0.17, 0.01, 0.15],
        [0.03, 0.19, 0.22, 1.53, 10.34, 72.2, 3.66, 0.1, 1.36],
        [0.22, 4.27, 3.35, 0.58, 1.8, 15.28, 85.43, 0.46, 2.77],
        [0.09, 0.0, 0.01, 0.69, 0.03, 0.05, 0.05, 75.92, 0.37],
        [0.06, 0.16, 0.62, 0.15, 0.5, 0.55, 0.22, 0.07, 65.86],
    ]
)

# Shares of the true classes that make the two tables agree best, in percent.
S3_TRUE_SHARE = np.array(
    [75.142, 5.909, 5.53, 2.514, 0.364, 1.301, 8.329, 0.572, 0.339]
)


def s3_confusion(num_pixels=10**12):
    """The matrix behind Table 3, from rows and shares."""
    rows = S3_ROW_PERCENT / S3_ROW_PERCENT.sum(axis=1, keepdims=True)
    shares = S3_TRUE_SHARE / S3_TRUE_SHARE.sum()
    return np.round(num_pixels * shares[:, None] * rows).astype(np.int64)


# Table 2 of S2: IoU and accuracy in percent, background first. A class of the other
# 22 has 0 for both.
S2_FOUND = (
    (97.06, 99.14),
    (26.63, 36.85),
    (50.08, 69.91),
    (18.07, 23.07),
    (33.03, 47.57),
    (58.17, 75.78),
    (43.62, 58.49),
    (37.83, 48.31),
    (31.67, 46.56),
    (64.65, 83.19),
    (5.39, 8.91),
    (1.1, 1.1),
    (19.53, 22.98),
    (0.53, 0.54),
    (23.78, 28.77),
    (47.61, 60.28),
    (27.98, 38.74),
    (0.57, 0.59),
    (0.84, 0.85),
    (11.34, 14.35),
    (19.12, 25.64),
    (57.06, 73.48),
    (1.85, 1.93),
    (9.77, 11.37),
    (14.27, 14.88),
)
S2_NUM_CLASSES = 47


def s2_confusion():
    """A matrix whose classes have the IoU and accuracy of Table 2, but for rounding.

    The table leaves the sizes of the classes open; any will do.
    """
    iou, accuracy = np.zeros((2, S2_NUM_CLASSES))
    iou[: len(S2_FOUND)], accuracy[: len(S2_FOUND)] = np.array(S2_FOUND).T / 100
    found = iou > 0
    true = np.full(S2_NUM_CLASSES, 10**9)
    true[0] = 40 * 10**9
    hit = np.round(true * accuracy).astype(np.int64)
    missed = true - hit
    wrong = np.zeros_like(hit)
    wrong[found] = np.round(hit[found] / iou[found]).astype(np.int64) - true[found]
    # Classes that are never found take what is left over, wrongly.
    rest = missed.sum() - wrong.sum()
    wrong[~found] = rest // np.sum(~found)
    wrong[-1] += missed.sum() - wrong.sum()
    confusion = np.diag(hit)
    while missed.any():
        # The largest first: what is left can always be paired off the diagonal.
        row = np.argmax(missed + wrong * (missed > 0))
        others = np.where(np.arange(S2_NUM_CLASSES) == row, 0, wrong)
        column = np.argmax(others)
        pixels = min(missed[row], others[column])
        confusion[row, column] += pixels
        missed[row] -= pixels
        wrong[column] -= pixels
    return confusion
