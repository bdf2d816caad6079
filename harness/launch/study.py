"""The user's own files, in one archive that travels with a sweep."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

from harness.config.strict import UserError
from harness.config.study import KINDS, files

MOST = 700_000  # bytes of an archive: a ConfigMap of Kubernetes holds a megabyte, in base 64


def archive(folder: Path) -> bytes:
    """They as a .tgz, the same bytes whenever it is made.

    :raises UserError: if it is too large to travel.
    """
    made = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=made, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in files(folder):
            content = path.read_bytes()
            about = tarfile.TarInfo(path.relative_to(folder).as_posix())
            about.size, about.mode = len(content), 0o644
            tar.addfile(about, io.BytesIO(content))
    if len(made.getvalue()) > MOST:
        message = (
            f"its files ({', '.join(sorted(KINDS))}) take {len(made.getvalue()):,} bytes, and "
            f"{MOST:,} can travel: give the sweep and what it names a folder of their own"
        )
        raise UserError.of(folder, message)
    return made.getvalue()
