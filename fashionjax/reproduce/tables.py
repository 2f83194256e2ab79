"""The tables: what fills each cell, and the documents' numbers.

Numbers are copied from the documents, in their units and in their order. Where a
document leaves a definition open, its metric here is the one that `docs/checklist.md`
names.
"""

from collections.abc import Mapping, Sequence

from fashionjax.reproduce.table import (
    TEST,
    Cell,
    Comparison,
    Evaluation,
    Part,
    Row,
    Run,
    Table,
)

S0 = "S0: Clothing Co-Parsing with U-Net"
S1 = "S1: Fine Grained Segmentation task for Fashion and Apparel"
S2 = "S2: Fashion parsing (segmentation) of Fashionpedia"
S3 = "S3: Clothing Parsing using Extended U-Net"
S4 = "S4: Semantic Segmentation of Fashion Images Using Feature Pyramid Networks"


def _row(
    name: str,
    metrics: Sequence[str],
    run: Run,
    papers: Sequence[float | None] = (),
    evaluation: Evaluation = TEST,
) -> Row:
    """A row of one evaluation.

    Args:
        name: What the document calls it.
        metrics: One for each column.
        run: The run.
        papers: The document's numbers; empty where it has none.
        evaluation: Which evaluation of the run.
    """
    numbers = papers or [None] * len(metrics)
    pairs = zip(numbers, metrics, strict=True)
    return Row(name, tuple(Cell(n, run, metric, evaluation) for n, metric in pairs))


def _rows(
    metrics: Sequence[str], rows: Mapping[str, tuple[Run, Sequence[float | None]]]
) -> tuple[Row, ...]:
    """Rows of a run each, with the same metrics.

    Args:
        metrics: One for each column.
        rows: By name, the run and the document's numbers.
    """
    return tuple(
        _row(name, metrics, run, papers) for name, (run, papers) in rows.items()
    )


# --- S0 -----------------------------------------------------------------------

_TRIALS = (
    (
        Run("s0/vgg16_59", "ccp_full", "VGG16, 59 labels"),
        "most of the important parts are found, not precisely; background is taken for"
        " something else",
    ),
    (
        Run("s0/vgg16_4", "ccp4_full", "VGG16, 4 labels"),
        "better contours; clothes, skin and hair are not told apart",
    ),
    (
        Run("s0/vgg19_4", "ccp4_full", "VGG19, 4 labels"),
        "clothes and skin are told apart, hair mostly is not found",
    ),
    (
        Run("s0/vgg19_4_zoom", "ccp4_full", "VGG19, 4 labels, zoom"),
        "a little worse, not significantly",
    ),
)

S0_TRIALS = Table(
    name="s0-trials",
    document=S0,
    title="The four trials of section 4.1, which have pictures and no numbers",
    parts=(
        Part(
            "Trials",
            ("Pixel accuracy", "Mean IoU", "IoU without background", "Mask IoU"),
            tuple(
                Row(
                    f"{number}. {run.title}",
                    tuple(
                        Cell(None, run, metric)
                        for metric in (
                            "pixel_accuracy",
                            "mean_iou",
                            "pooled_iou_excl_bg",
                            "mask_iou",
                        )
                    ),
                    remark,
                )
                for number, (run, remark) in enumerate(_TRIALS, start=1)
            ),
        ),
        Part(
            "IoU of the four labels",
            ("Background", "Clothes", "Hair", "Skin"),
            tuple(
                Row(
                    f"{number}. {run.title}",
                    tuple(
                        Cell(None, run, f"iou/{name}")
                        for name in ("background", "clothes", "hair", "skin")
                    ),
                )
                for number, (run, _) in enumerate(_TRIALS[1:], start=2)
            ),
        ),
    ),
    shown=(_TRIALS[2][0],),
    sources=(_TRIALS[2][0],),
)


# --- S1 -----------------------------------------------------------------------


def _s1(config: str, title: str, *, size_factor: int = 1) -> Run:
    return Run(f"s1/{config}", "imaterialist2020", title, size_factor)


UNET_SCE_ADAM = _s1("unet_sce_adam", "U-Net, SCE, Adam")
UNET_SCE_SGD = _s1("unet_sce_sgd", "U-Net, SCE, SGD")
UNET_FOCAL_ADAM = _s1("unet_focal_adam", "U-Net, focal, Adam")
UNET_FOCAL_SGD = _s1("unet_focal_sgd", "U-Net, focal, SGD")
SEGNET_SCE_ADAM = _s1("segnet_sce_adam", "SegNet, SCE, Adam")
SEGNET_SCE_SGD = _s1("segnet_sce_sgd", "SegNet, SCE, SGD")
SEGNET_FOCAL_ADAM = _s1("segnet_focal_adam", "SegNet, focal, Adam")
SEGNET_FOCAL_SGD = _s1("segnet_focal_sgd", "SegNet, focal, SGD")
FCN_SCE_ADAM = _s1("fcn_sce_adam", "FCN, SCE, Adam")
FCN_SCE_SGD = _s1("fcn_sce_sgd", "FCN, SCE, SGD")
FCN_FOCAL_ADAM = _s1("fcn_focal_adam", "FCN, focal, Adam")
FCN_FOCAL_SGD = _s1("fcn_focal_sgd", "FCN, focal, SGD")
SEGNET_512 = _s1("segnet_sce_sgd_512", "SegNet, SCE, SGD at 512", size_factor=2)
UNET_512 = _s1("unet_focal_adam_512", "U-Net, focal, Adam at 512", size_factor=2)

_S1_COLUMNS = ("Accuracy", "IoU")
_S1_METRICS = ("pixel_accuracy", "binary_iou")

S1_GRID = Table(
    name="s1-grid",
    document=S1,
    title="Tables I to IV: three models, two losses, two optimisers, and 512×512",
    parts=(
        Part(
            "Table I. U-Net",
            _S1_COLUMNS,
            _rows(
                _S1_METRICS,
                {
                    "SCE, Adam": (UNET_SCE_ADAM, (0.83, 0.86)),
                    "SCE, SGD": (UNET_SCE_SGD, (0.79, 0.83)),
                    "Focal, Adam": (UNET_FOCAL_ADAM, (0.84, 0.86)),
                    "Focal, SGD": (UNET_FOCAL_SGD, (0.78, 0.81)),
                },
            ),
            "fraction",
        ),
        Part(
            "Table II. SegNet",
            _S1_COLUMNS,
            _rows(
                _S1_METRICS,
                {
                    "SCE, Adam": (SEGNET_SCE_ADAM, (0.82, 0.85)),
                    "SCE, SGD": (SEGNET_SCE_SGD, (0.86, 0.88)),
                    "Focal, Adam": (SEGNET_FOCAL_ADAM, (0.80, 0.82)),
                    "Focal, SGD": (SEGNET_FOCAL_SGD, (0.86, 0.87)),
                },
            ),
            "fraction",
        ),
        Part(
            "Table III. FCN-ResNet50",
            _S1_COLUMNS,
            _rows(
                _S1_METRICS,
                {
                    "SCE, Adam": (FCN_SCE_ADAM, (0.77, 0.67)),
                    "SCE, SGD": (FCN_SCE_SGD, (0.78, 0.82)),
                    "Focal, Adam": (FCN_FOCAL_ADAM, (0.69, 0.39)),
                    "Focal, SGD": (FCN_FOCAL_SGD, (None, None)),
                },
            ),
            "fraction",
        ),
        Part(
            "Table IV. 512×512",
            _S1_COLUMNS,
            _rows(
                _S1_METRICS,
                {
                    "SegNet, SCE, SGD": (SEGNET_512, (0.80, 0.82)),
                    "U-Net, focal, Adam": (UNET_512, (0.79, 0.81)),
                },
            ),
            "fraction",
        ),
    ),
    # Text and captions agree on the pairs; these are the captions' numbers, from
    # Fig. 9 on one above the text's.
    comparisons=(
        Comparison(
            "U-Net by focal loss: SGD and Adam (Fig. 7)",
            (UNET_FOCAL_SGD, UNET_FOCAL_ADAM),
        ),
        Comparison(
            "SegNet by focal loss: SGD and Adam (Figs. 8, 9)",
            (SEGNET_FOCAL_SGD, SEGNET_FOCAL_ADAM),
        ),
        Comparison(
            "U-Net by Adam: focal loss and SCE (Fig. 10)",
            (UNET_FOCAL_ADAM, UNET_SCE_ADAM),
        ),
        Comparison(
            "SegNet by Adam: focal loss and SCE (Fig. 11)",
            (SEGNET_FOCAL_ADAM, SEGNET_SCE_ADAM),
        ),
        Comparison(
            "The best two: SegNet and U-Net (Fig. 12)",
            (SEGNET_SCE_SGD, UNET_FOCAL_ADAM),
        ),
    ),
    curves=_S1_METRICS,
    shown=(SEGNET_SCE_SGD, UNET_FOCAL_ADAM),
    sources=(SEGNET_SCE_SGD,),
)


# --- S2 -----------------------------------------------------------------------

OCRNET = Run("ocrnet", "fashionpedia", "OCRNet on HRNet-W18")

_S2_CLASSES: Mapping[str, tuple[float, float]] = {
    "background": (97.06, 99.14),
    "shirt, blouse": (26.63, 36.85),
    "top, t-shirt, sweatshirt": (50.08, 69.91),
    "sweater": (18.07, 23.07),
    "cardigan": (0.0, 0.0),
    "jacket": (33.03, 47.57),
    "vest": (0.0, 0.0),
    "pants": (58.17, 75.78),
    "shorts": (43.62, 58.49),
    "skirt": (37.83, 48.31),
    "coat": (31.67, 46.56),
    "dress": (64.65, 83.19),
    "jumpsuit": (5.39, 8.91),
    "cape": (0.0, 0.0),
    "glasses": (1.1, 1.1),
    "hat": (19.53, 22.98),
    "headband, head covering, hair accessory": (0.0, 0.0),
    "tie": (0.0, 0.0),
    "glove": (0.0, 0.0),
    "watch": (0.0, 0.0),
    "belt": (0.53, 0.54),
    "leg warmer": (0.0, 0.0),
    "tights, stockings": (23.78, 28.77),
    "sock": (0.0, 0.0),
    "shoe": (47.61, 60.28),
    "bag, wallet": (27.98, 38.74),
    "scarf": (0.57, 0.59),
    "umbrella": (0.0, 0.0),
    "hood": (0.84, 0.85),
    "collar": (11.34, 14.35),
    "lapel": (19.12, 25.64),
    "epaulette": (0.0, 0.0),
    "sleeve": (57.06, 73.48),
    "pocket": (1.85, 1.93),
    "neckline": (9.77, 11.37),
    "buckle": (0.0, 0.0),
    "zipper": (0.0, 0.0),
    "applique": (0.0, 0.0),
    "bead": (0.0, 0.0),
    "bow": (0.0, 0.0),
    "flower": (0.0, 0.0),
    "fringe": (0.0, 0.0),
    "ribbon": (0.0, 0.0),
    "rivet": (0.0, 0.0),
    "ruffle": (14.27, 14.88),
    "sequin": (0.0, 0.0),
    "tassel": (0.0, 0.0),
}
"""IoU and accuracy of each class."""

S2_TABLE2 = Table(
    name="s2-table2",
    document=S2,
    title="Table 2: OCRNet, IoU and accuracy of every class",
    parts=(
        Part(
            "All classes",
            ("aAcc", "mIoU", "mAcc"),
            _rows(
                ("pixel_accuracy", "mean_iou", "mean_class_accuracy"),
                {"OCRNet, HRNet-W18": (OCRNET, (93.7, 14.93, 19.01))},
            ),
        ),
        Part(
            "Each class",
            ("IoU", "Acc"),
            tuple(
                Row(
                    name,
                    (
                        Cell(iou, OCRNET, f"iou/{name}"),
                        Cell(accuracy, OCRNET, f"acc/{name}"),
                    ),
                )
                for name, (iou, accuracy) in _S2_CLASSES.items()
            ),
        ),
    ),
    shown=(OCRNET,),
    sources=(OCRNET,),
)


# --- S3 -----------------------------------------------------------------------


def _s3(config: str, title: str) -> Run:
    return Run(config, "imaterialist2019", title)


_REFINED = (
    (
        "data.refined_dir",
        "S3 trains on refined photos; name the folder of decisions that"
        " `python -m fashionjax.data refine` wrote (docs/refine.md), or none for the"
        " photos as published",
    ),
)


FPN = _s3("panoptic_fpn", "FPN")
DEEPLABV3 = _s3("deeplabv3", "DeepLabV3")
DEEPLABV3PLUS = _s3("deeplabv3plus", "DeepLabV3+")
PLAIN_UNET = _s3("s3/plain_unet", "Plain U-Net")
OURS = _s3("unet_ext", "Our model")
CLASS_ONLY = _s3("s3/class_only", "ClassBranch only")
BRANCHES = _s3("s3/branches", "Branches")
BASE = Run(
    "s3/plain_unet_base",
    "imaterialist2019",
    "Plain U-Net, base data",
    fixed=(("data.refined_dir", ""),),
)

_NINE = (
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
_EIGHT = _NINE[1:]
_SHORT = ("bg", *_EIGHT)
_IOU_COLUMNS = ("IoU excl. bg", "IoU overall", "IoU Mask")
_IOU_METRICS = ("pooled_iou_excl_bg", "pooled_iou", "mask_iou")
_CLASS_METRICS = tuple(f"iou/{name}" for name in _NINE)

_PLAIN_UNET = (97.24, 71.02, 71.72, 78.25, 61.60, 51.12, 77.21, 65.05, 46.04)
_OURS = (97.29, 72.49, 72.68, 79.81, 65.90, 53.83, 77.97, 65.97, 48.31)

S3_TABLE1 = Table(
    name="s3-table1",
    document=S3,
    title="Table 1: the plain U-Net on base and on refined photos",
    required=_REFINED,
    parts=(
        Part(
            "All categories",
            _IOU_COLUMNS,
            _rows(
                _IOU_METRICS,
                {
                    "Base": (BASE, (70.01, 89.44, 91.38)),
                    "Refined": (PLAIN_UNET, (72.10, 90.23, 92.03)),
                },
            ),
        ),
        Part(
            "IoU of each category",
            _SHORT,
            _rows(
                _CLASS_METRICS,
                {
                    "Base": (
                        BASE,
                        (97.02, 69.22, 69.43, 76.61, 59.31, 47.54, 75.20, 62.37, 40.10),
                    ),
                    "Refined": (PLAIN_UNET, _PLAIN_UNET),
                },
            ),
        ),
    ),
    shown=(PLAIN_UNET,),
    sources=(BASE, PLAIN_UNET),
)

S3_TABLE2 = Table(
    name="s3-table2",
    document=S3,
    title="Table 2: the Extended U-Net, its ablations and its baselines",
    required=_REFINED,
    parts=(
        Part(
            "All categories",
            _IOU_COLUMNS,
            _rows(
                _IOU_METRICS,
                {
                    "FPN": (FPN, (67.77, 88.18, 89.44)),
                    "DeepLabV3": (DEEPLABV3, (68.91, 88.33, 88.80)),
                    "DeepLabV3+": (DEEPLABV3PLUS, (70.85, 89.31, 90.15)),
                    "Plain U-Net": (PLAIN_UNET, (72.10, 90.23, 92.03)),
                    "Our model": (OURS, (73.38, 90.66, 92.18)),
                    "ClassBranch only": (CLASS_ONLY, (73.01, 90.57, 92.16)),
                    "Branches": (BRANCHES, (72.72, 90.44, 92.13)),
                },
            ),
        ),
        Part(
            "IoU of each category",
            _SHORT,
            _rows(
                _CLASS_METRICS,
                {
                    "FPN": (
                        FPN,
                        (96.29, 66.74, 66.56, 74.35, 55.99, 47.91, 73.68, 56.31, 33.69),
                    ),
                    "DeepLabV3": (
                        DEEPLABV3,
                        (96.03, 68.05, 68.81, 74.28, 59.41, 49.26, 74.18, 53.80, 39.64),
                    ),
                    "DeepLabV3+": (
                        DEEPLABV3PLUS,
                        (96.54, 70.14, 70.05, 76.33, 60.93, 50.88, 76.45, 58.18, 40.36),
                    ),
                    "Plain U-Net": (PLAIN_UNET, _PLAIN_UNET),
                    "Our model": (OURS, _OURS),
                    "ClassBranch only": (
                        CLASS_ONLY,
                        (97.30, 72.23, 72.70, 78.95, 63.83, 51.84, 77.61, 65.70, 46.47),
                    ),
                    "Branches": (
                        BRANCHES,
                        (97.27, 71.46, 72.24, 79.08, 63.56, 53.39, 77.42, 65.60, 48.09),
                    ),
                },
            ),
        ),
    ),
    shown=(OURS,),
)

_ROW_PERCENT = (
    (98.08, 0.30, 0.38, 0.36, 0.03, 0.08, 0.52, 0.18, 0.09),
    (1.88, 83.56, 8.59, 0.33, 0.09, 0.19, 5.26, 0.00, 0.11),
    (1.96, 7.03, 86.53, 0.48, 0.04, 0.26, 3.34, 0.00, 0.37),
    (2.62, 0.79, 0.92, 92.14, 0.37, 1.23, 1.20, 0.56, 0.16),
    (1.61, 2.13, 0.57, 4.38, 79.78, 7.21, 4.18, 0.01, 0.14),
    (1.80, 0.83, 0.97, 3.21, 2.99, 65.08, 24.72, 0.05, 0.34),
    (1.98, 3.00, 2.35, 0.19, 0.08, 2.15, 90.10, 0.04, 0.11),
    (11.08, 0.01, 0.15, 3.30, 0.02, 0.10, 0.73, 84.41, 0.21),
    (13.64, 2.69, 10.71, 1.20, 0.55, 1.90, 5.81, 0.13, 63.37),
)
_COLUMN_PERCENT = (
    (99.21, 3.82, 4.87, 9.96, 5.57, 4.90, 4.48, 21.20, 20.05),
    (0.15, 84.45, 8.68, 0.71, 1.48, 0.95, 3.54, 0.00, 1.92),
    (0.15, 6.65, 81.83, 0.97, 0.60, 1.20, 2.10, 0.03, 6.31),
    (0.09, 0.34, 0.40, 84.83, 2.48, 2.63, 0.34, 2.21, 1.22),
    (0.01, 0.13, 0.04, 0.58, 77.20, 2.24, 0.17, 0.01, 0.15),
    (0.03, 0.19, 0.22, 1.53, 10.34, 72.20, 3.66, 0.10, 1.36),
    (0.22, 4.27, 3.35, 0.58, 1.80, 15.28, 85.43, 0.46, 2.77),
    (0.09, 0.00, 0.01, 0.69, 0.03, 0.05, 0.05, 75.92, 0.37),
    (0.06, 0.16, 0.62, 0.15, 0.50, 0.55, 0.22, 0.07, 65.86),
)


def _matrix(kind: str, percents: Sequence[Sequence[float]]) -> tuple[Row, ...]:
    """A row for each true class, a column for each predicted one."""
    return tuple(
        Row(
            short,
            tuple(
                Cell(value, OURS, f"{kind}/{true}/{pred}")
                for pred, value in zip(_NINE, values, strict=True)
            ),
        )
        for short, true, values in zip(_SHORT, _NINE, percents, strict=True)
    )


S3_TABLE3 = Table(
    name="s3-table3",
    document=S3,
    title="Table 3: confusion matrix of the Extended U-Net",
    required=_REFINED,
    parts=(
        Part(
            "In percent of the true class (rows: truth, columns: prediction)",
            _SHORT,
            _matrix("row", _ROW_PERCENT),
        ),
        Part(
            "In percent of the predicted class (rows: truth, columns: prediction)",
            _SHORT,
            _matrix("column", _COLUMN_PERCENT),
        ),
    ),
    shown=(OURS,),
)

S3_TABLE4 = Table(
    name="s3-table4",
    document=S3,
    title="Table 4: which categories are in the image, by the ClassBranch",
    required=_REFINED,
    parts=(
        Part(
            "All categories",
            ("F1", "F2", "% of images"),
            _rows(
                ("f1", "f2", "exact_match"),
                {"Our model": (OURS, (87.14, 87.17, 66.26))},
            ),
        ),
        Part(
            "Accuracy of each category",
            _EIGHT,
            _rows(
                tuple(f"tag_accuracy/{name}" for name in _EIGHT),
                {
                    "Our model": (
                        OURS,
                        (87.22, 91.33, 94.82, 97.50, 93.22, 91.17, 96.02, 92.58),
                    )
                },
            ),
        ),
    ),
    shown=(OURS,),
)

ORACLE = Evaluation("eval-test-oracle-mask", ("--prior=oracle", "--prior_by=mask"))
"""Categories that are not in the image are never predicted, as the document has it."""

ORACLE_INJECTED = Evaluation(
    "eval-test-oracle-tags", ("--prior=oracle", "--prior_by=tags")
)
HALF = Evaluation(
    "eval-test-random-0.5-seed0-mask", ("--prior=random:0.5", "--prior_by=mask")
)

S3_TABLE5 = Table(
    name="s3-table5",
    document=S3,
    title="Table 5: told which categories are in the image",
    required=_REFINED,
    parts=(
        Part(
            "IoU",
            ("IoU excl. bg", *_SHORT),
            (
                _row(
                    "Without GT",
                    ("pooled_iou_excl_bg", *_CLASS_METRICS),
                    OURS,
                    (73.38, *_OURS),
                ),
                _row(
                    "With GT",
                    ("pooled_iou_excl_bg", *_CLASS_METRICS),
                    OURS,
                    (
                        *(87.37, 97.32, 87.62, 86.25, 89.02, 83.51, 86.27, 91.01),
                        *(67.63, 52.94),
                    ),
                    ORACLE,
                ),
                _row(
                    "With GT, in place of the tag branch's logits",
                    ("pooled_iou_excl_bg", *_CLASS_METRICS),
                    OURS,
                    evaluation=ORACLE_INJECTED,
                ),
                _row(
                    "With GT of half of the categories, drawn for each image",
                    ("pooled_iou_excl_bg", *_CLASS_METRICS),
                    OURS,
                    evaluation=HALF,
                ),
            ),
        ),
    ),
    shown=(OURS,),
    told=(OURS,),
)


# --- S4 -----------------------------------------------------------------------

FPN_FASHIONISTA = Run("fpn", "fashionista", "FPN on ResNeXt50, Fashionista")
FPN_CFPD = Run("fpn", "cfpd", "FPN on ResNeXt50, CFPD")
DENSENET_FASHIONISTA = Run("s4/densenet121", "fashionista", "FPN on DenseNet121")
DENSENET_CFPD = Run("s4/densenet121", "cfpd", "FPN on DenseNet121, CFPD")

_FPNS = (FPN_FASHIONISTA, FPN_CFPD)
_DENSENETS = (DENSENET_FASHIONISTA, DENSENET_CFPD)

_S4_COLUMNS = (
    "Fashionista, accuracy",
    "Fashionista, IoU",
    "CFPD, accuracy",
    "CFPD, IoU",
)


def _quoted(name: str, papers: Sequence[float | None]) -> Row:
    """A row of a system that the document quotes."""
    return Row(name, tuple(Cell(paper) for paper in papers))


def _s4(
    name: str,
    papers: Sequence[float | None],
    runs: tuple[Run, Run],
    evaluation: Evaluation = TEST,
    remark: str = "",
) -> Row:
    """A row of both datasets."""
    metrics = ("pixel_accuracy", "mean_iou")
    pairs = [(run, metric) for run in runs for metric in metrics]
    cells = [
        Cell(paper, run, metric, evaluation)
        for paper, (run, metric) in zip(papers, pairs, strict=True)
    ]
    return Row(name, tuple(cells), remark)


_LESS = "accuracy is marginally lower"
WITH_CRF = Evaluation("eval-test-crf", ("--crf",), searches_crf=True)

S4_TABLE1 = Table(
    name="s4-table1",
    document=S4,
    title="Table 1: without CRF",
    parts=(
        Part(
            "Without CRF",
            _S4_COLUMNS,
            (
                _quoted("OE (quoted)", (91.50, 46.40, 91.52, 51.42)),
                _quoted("PSPNet (quoted)", (92.53, 46.68, None, None)),
                _s4("FPN", (93.26, 49.81, 93.52, 53.00), _FPNS),
                _s4("FPN on DenseNet121", (None,) * 4, _DENSENETS, remark=_LESS),
            ),
        ),
    ),
    shown=_FPNS,
)

S4_TABLE2 = Table(
    name="s4-table2",
    document=S4,
    title="Table 2: with CRF, its options by the search of section 4.2; and its speed",
    parts=(
        Part(
            "With CRF",
            _S4_COLUMNS,
            (
                _quoted("OE (quoted)", (91.74, 51.78, 92.35, 54.65)),
                _quoted("PSPNet (quoted)", (92.93, 47.85, None, None)),
                _s4("FPN", (93.62, 50.64, 93.82, 54.39), _FPNS, WITH_CRF),
                _s4("FPN on DenseNet121", (None,) * 4, _DENSENETS, WITH_CRF),
            ),
        ),
        Part(
            "Without CRF, for comparison (Table 1)",
            _S4_COLUMNS,
            (
                _s4("FPN", (93.26, 49.81, 93.52, 53.00), _FPNS),
                _s4("FPN on DenseNet121", (None,) * 4, _DENSENETS, remark=_LESS),
            ),
        ),
        Part(
            "Speed; the document's on a V100, ours on the machine at hand",
            ("Images per second",),
            tuple(
                _row(
                    f"FPN {name} CRF",
                    (f"images_per_second/{name}_crf",),
                    FPN_FASHIONISTA,
                    (speed,),
                    WITH_CRF,
                )
                for name, speed in (("without", 1.95), ("with", 0.20))
            ),
            "images/s",
        ),
    ),
    shown=_FPNS,
)

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        S0_TRIALS,
        S1_GRID,
        S2_TABLE2,
        S3_TABLE1,
        S3_TABLE2,
        S3_TABLE3,
        S3_TABLE4,
        S3_TABLE5,
        S4_TABLE1,
        S4_TABLE2,
    )
}
