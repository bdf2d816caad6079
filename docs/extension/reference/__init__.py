"""The reference, made from the code: commands, files, Python and what ships, as pages of the site.

Pages are MyST Markdown below docs/reference, written before Sphinx reads its sources.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from extension.reference import agent, command, environment, file_kind, module, shipped

if TYPE_CHECKING:
    from sphinx.application import Sphinx

Pages = dict[str, str]  # a page's place below docs/reference, without .md -> its text


def pages() -> Pages:
    """Every page of the reference."""
    return {
        **command.pages(),
        **file_kind.pages(),
        **module.pages(),
        **agent.pages(),
        **environment.pages(),
        **shipped.pages(),
    }


def write(folder: Path, pages: Pages) -> None:
    """Write the pages whose text changed, and remove those of things that are gone."""
    for place, text in pages.items():
        path = folder / f"{place}.md"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    kept = {folder / f"{place}.md" for place in pages}
    for path in folder.rglob("*.md"):
        if path not in kept:
            path.unlink()


def setup(app: Sphinx) -> dict[str, Any]:
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", module.tidy)
    app.connect("builder-inited", lambda app: write(Path(app.srcdir) / "reference", pages()))
    return {"parallel_read_safe": True}
