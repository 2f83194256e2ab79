"""The embedded dataset: rendered photos of dressed people, with instance masks."""

from fashionjax.data.synthetic.photo import Photo, photo_categories, render_photo

__all__ = ["Photo", "photo_categories", "render_photo"]
