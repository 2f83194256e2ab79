"""Extended U-Net (Vozáriková, Staňa, Semanišín: Clothing Parsing using Extended U-Net).

    python -m fashionjax.main --config=configs/unet_ext.py[:DATASET]

`synthetic` (the default) and the plain names of photo datasets are reduced presets
that two CPU cores finish; `_full` ones have the document's size and length:

    synthetic        drawn figures, 9 classes, 96×64, slim model
    synthetic_full   drawn figures, 9 classes, 288×192
    imaterialist2019 the document's run: 43,470 photos, 9 classes, 288×192
    ccp4, ccp        Clothing Co-Parsing photos, 4 or 59 classes, slim model
    ccp4_full, ccp_full  the same at 288×192 with the full model

S3, Table 2, "Our model"; there IoU without background 73.38 % (`pooled_iou_excl_bg`),
overall 90.66 % (`pooled_iou`), mask 92.18 % (`mask_iou`). Table 3 is its confusion
matrix. Table 4: F1 87.14 % (`f1`), F2 87.17 % (`f2`), 66.26 % of photos with all tags
right (`exact_match`). Table 5, --mode=eval --prior=oracle --prior_by=mask: IoU without
background 87.37 %. The variants of its ablation: --config.model.variant=ours,
class_only, branches or plain; configs/s3/.
"""

from ml_collections import ConfigDict

from fashionjax import presets, recipes


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the configuration of a run; nothing is set elsewhere but the presets."""
    return presets.resolve("unet_ext.py", _document(), DATASETS, dataset)


def _document() -> ConfigDict:
    """Every hyper-parameter of the document, on the data that it used."""
    config = presets.base()
    config.document = "Extended U-Net, iMaterialist 2019, 20 epochs at 288×192"
    config.document_run = "--config=configs/unet_ext.py:imaterialist2019"

    config.data.label_map = "imaterialist_9"
    config.data.image_size = (288, 192)

    config.model = presets.model(
        "multitask_unet",
        "resnet34",
        variant="ours",
        encoder_options={"features": 64},
        decoder_features=(512, 384, 256, 96),
        branch_features=512,
        dropout_rate=0.5,
    )
    config.model.pretrained = "torchvision/resnet34"

    recipes.extended_unet(config)
    config.objective.tags = ConfigDict({"weight": 0.5})
    config.objective.boxes = ConfigDict({"weight": 75.0, "beta": 1.0})
    return config


def _imaterialist2019(config: ConfigDict) -> None:
    presets.own(config, "imaterialist2019")


def _slim(config: ConfigDict) -> None:
    """A quarter of the encoder's and of the slim decoder's arithmetic."""
    config.model.encoder_options.features = 32
    config.model.decoder_features = (128, 64, 32, 16)
    config.model.branch_features = 128


def _synthetic(config: ConfigDict) -> None:
    """What two CPU cores train within twelve minutes, from scratch."""
    presets.synthetic(config, _slim)
    config.data.num_examples = ConfigDict({"train": 12_500, "val": 200, "test": 300})
    config.model.encoder_options.features = 24
    # With 40 injected channels, the full-size layers are half of the arithmetic.
    config.model.decoder_features = (128, 64, 32, 5)
    # Every photo is seen once: nothing to overfit, and dropped-out logits would be
    # injected. The document's 75 lets the boxes lead for the first hundred steps.
    config.model.dropout_rate = 0.0
    config.objective.boxes.weight = 5.0
    config.schedule.learning_rate = 4e-3


DATASETS = presets.datasets(
    _slim,
    counts=recipes.EXTENDED_UNET_COUNTS,
    imaterialist2019=_imaterialist2019,
) | {"synthetic": _synthetic}
