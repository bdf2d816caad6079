"""Packages as if they were installed, with what they declare for the harness."""

from __future__ import annotations


def install(folder, name, entries, files=()):
    """Write one; see the fixture `packages`.

    :param entries: entry points by group: {"agents": ["novel = my_pkg.mine:Mine"]}.
    :param files: texts by path.
    """
    lines = [text for group in entries for text in (f"[harness.{group}]", *entries[group])]
    about = folder / f"{name}-1.2.dist-info"
    texts = {
        about / "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n",
        about / "entry_points.txt": "\n".join(lines),
        **{folder / path: text for path, text in dict(files).items()},
    }
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
