"""Models: encoder, decoder and heads; an image in, `types.Outputs` out."""

from fashionjax.models.multitask_unet import MultitaskUNet

__all__ = ["MultitaskUNet"]
