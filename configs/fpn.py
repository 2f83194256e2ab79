"""FPN on ResNeXt (Semantic Segmentation of Fashion Images Using FPN).

    python -m fashionjax.main --config=configs/fpn.py[:DATASET]

    synthetic        drawn figures, 96×64, slim model, for two CPU cores (the default)
    synthetic_full   drawn figures at the document's size
    fashionista, cfpd  the document's runs at 600×400
    fashionista_v02  Fashionista before it was refined: 56 classes of superpixels
    ccp4, ccp        Clothing Co-Parsing photos, 160×96, slim model
    ccp4_full, ccp_full  the same at 600×400 with the full model

S4, Table 1, "FPN"; there accuracy (`pixel_accuracy`) and IoU (`mean_iou`) 93.26 and
49.81 % on `fashionista`, 93.52 and 53.00 % on `cfpd`. The document's other encoders:
configs/s4/.
S4, Table 2, the same with CRF: 93.62 and 50.64 %, 93.82 and 54.39 %; after the training
`python -m fashionjax.crf_search --workdir=RUN`, then --mode=eval --crf (docs/crf.md).
"""

from ml_collections import ConfigDict

from fashionjax import presets
from fashionjax.augment import MIRROR


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the configuration of a run; nothing is set elsewhere but the presets."""
    return presets.resolve("fpn.py", _document(), DATASETS, dataset)


def _document() -> ConfigDict:
    config = presets.base()
    config.document = "FPN on ResNeXt50, Refined Fashionista, 100 epochs at 600×400"
    config.document_run = "--config=configs/fpn.py:fashionista"

    # Drawn figures have no classes of Refined Fashionista.
    config.data.label_map = "fashionpedia_47"
    config.data.image_size = (600, 400)

    config.model = presets.model(
        "fpn",
        "resnext50_32x4d",
        encoder_options={"features": 64},
        pyramid_features=256,
        features=128,
        softmax_before_upsample=False,
    )
    config.model.pretrained = "torchvision/resnext50_32x4d"

    config.schedule.learning_rate = 1e-4
    config.batch_size = 5
    config.num_epochs = 100.0
    config.best_metric = "pixel_accuracy"
    presets.augment(config, MIRROR)
    return config


def _fashionista(config: ConfigDict) -> None:
    presets.own(config, "fashionista", label_map="fashionista_25")


def _fashionista_v02(config: ConfigDict) -> None:
    presets.own(config, "fashionista_v02", label_map="fashionista_56")


def _cfpd(config: ConfigDict) -> None:
    presets.own(config, "cfpd", label_map="cfpd_23")
    config.document_run = "--config=configs/fpn.py:cfpd"


def _slim(config: ConfigDict) -> None:
    config.model.encoder = "resnet18"
    config.model.encoder_options.features = 24
    config.model.pyramid_features = 64
    config.model.features = 32
    config.batch_size = 8


DATASETS = presets.datasets(
    _slim,
    counts={"train": 411, "val": 45, "test": 229},
    fashionista=_fashionista,
    fashionista_v02=_fashionista_v02,
    cfpd=_cfpd,
)
