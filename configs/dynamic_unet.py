"""fastai's DynamicUnet: the Extended U-Net's trial of trainable upsampling.

python -m fashionjax.main --config=configs/dynamic_unet.py[:DATASET]

synthetic        drawn figures, 96×64, slim model, for two CPU cores (the default)
synthetic_full   drawn figures at the document's size
imaterialist2019 the document's run
ccp4, ccp        Clothing Co-Parsing photos, 160×96, slim model
ccp4_full, ccp_full  the same at 288×192 with the full model

S3, section 3.1, in no table: "trainable upsampling layers", not better than nearest
neighbours; no more than the plain U-Net (configs/s3/plain_unet.py: IoU without
background 72.10 %, `pooled_iou_excl_bg`) is to be expected. Which layers they were is
not stated; pixel shuffle is what fastai has.
Against the plain U-Net the upsampling alone differs, but for what fastai adds: it
halves the channels that go up, and a BatchNorm stands behind the last convolution.
"""

from ml_collections import ConfigDict

from fashionjax import presets, recipes


def get_config(dataset: str = "synthetic") -> ConfigDict:
    """Returns the configuration of a run; nothing is set elsewhere but the presets."""
    return presets.resolve("dynamic_unet.py", _document(), DATASETS, dataset)


def _document() -> ConfigDict:
    config = presets.base()
    config.document = "DynamicUnet, iMaterialist 2019, 20 epochs at 288×192"
    config.document_run = "--config=configs/dynamic_unet.py:imaterialist2019"

    config.data.label_map = "imaterialist_9"
    config.data.image_size = (288, 192)

    config.model = presets.model(
        "dynamic_unet",
        "resnet34",
        encoder_options={"features": 64},
        # As the Extended U-Net; None, biases in their place, is `unet_learner`'s.
        norm="batch",
        upsampling="pixel_shuffle",
    )
    config.model.pretrained = "torchvision/resnet34"
    recipes.extended_unet(config)
    return config


def _imaterialist2019(config: ConfigDict) -> None:
    presets.own(config, "imaterialist2019")


def _slim(config: ConfigDict) -> None:
    config.model.encoder = "resnet18"
    config.model.encoder_options.features = 16


DATASETS = presets.datasets(
    _slim, counts=recipes.EXTENDED_UNET_COUNTS, imaterialist2019=_imaterialist2019
)
