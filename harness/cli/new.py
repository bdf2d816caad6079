"""`harness new`: a study of one's own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Annotated

import typer

from harness.cli import verb


def new(
    folder: Annotated[Path, typer.Argument(help="The folder to make.")],
) -> None:
    """Start a study: a sweep with an environment, an agent and a bonus of your own, and tests."""
    with verb.users_errors():
        from harness.config.shipped import shipped
        from harness.store.files import make_folder

        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise verb.user_error("new", f"{folder} is there already: name a new folder")
        make_folder(folder)
        shutil.copytree(shipped("configs/study"), folder, dirs_exist_ok=True)
        schema = shipped("configs/schema").resolve().as_uri()
        for path in folder.rglob("*.yaml"):
            text = path.read_text("utf-8")
            path.write_text(re.sub(r"\$schema=[./]+schema/", f"$schema={schema}/", text), "utf-8")
        verb.console().print(f"next: cd {folder} && harness sweep sweep.yaml", soft_wrap=True)
