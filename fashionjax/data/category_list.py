"""The list of categories in the files of Fashionpedia and iMaterialist."""

from typing import Any

from fashionjax.data.categories import FASHIONPEDIA_CATEGORIES


def category_ids(categories: Any, name: str) -> dict[int, int]:
    """Finds the published category of every id that a file uses.

    Early files of Fashionpedia count 48 categories, so that ids do not mean the same
    everywhere; names do.

    Args:
        categories: The file's list of `{"id": …, "name": …}`.
        name: What to call the file in errors.

    Returns:
        From the file's id to the position in `FASHIONPEDIA_CATEGORIES`. Ids of other
        categories are left out.

    Raises:
        ValueError: No such list, an id or name twice, or categories missing.
    """
    try:
        pairs = [(int(entry["id"]), str(entry["name"])) for entry in categories]
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise ValueError(f"{name}: categories are no list of id and name") from error
    names = [name for _, name in pairs]
    missing = sorted(set(FASHIONPEDIA_CATEGORIES) - set(names))
    if missing or len({i for i, _ in pairs}) < len(pairs) or len({*names}) < len(pairs):
        raise ValueError(
            f"{name}: categories must have different ids and names and hold"
            f" Fashionpedia's 46; missing are {missing}"
        )
    position = {name: i for i, name in enumerate(FASHIONPEDIA_CATEGORIES)}
    return {i: position[name] for i, name in pairs if name in position}
