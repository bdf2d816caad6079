"""The files that come with the harness, and those that stand beside a user's own."""

from __future__ import annotations

from pathlib import Path


def shipped(folder: str) -> Path:
    """A folder that comes with the harness: "configs/agents", "configs/envs", "ablations".

    A wheel carries them inside the package; a checkout has them beside it.
    """
    here = Path(__file__).parent.parent
    packed = here / "shipped" / folder
    return packed if packed.exists() else here.parent / folder


def beside(sweep: str, kind: str) -> Path | None:
    """The file <sweep>.<kind>.yaml next to a sweep's own, or among those that are shipped."""
    path = Path(sweep)
    name = f"{path.stem}.{kind}.yaml"
    places = [path.with_name(name)]
    if path.parent.name in ("", "ablations"):
        places.append(shipped("ablations") / name)
    return next((place for place in places if place.is_file()), None)
