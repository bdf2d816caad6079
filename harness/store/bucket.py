"""A bucket, or a folder that is used like one, through fsspec.

There objects are written whole and read whole. Nothing is renamed, appended to or locked, so what
is written down here relies on none of that: see published.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.config.failure import in_a_line
from harness.config.secret import without_password
from harness.config.strict import UserError

URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
# What fsspec's drivers of the usual buckets are called, and what installs them.
_EXTRA = "gs:// and s3:// need pip install 'rl-ablation-harness[bucket]'"


def is_url(text: str) -> bool:
    return URL.match(text) is not None


class Bucket:
    """The objects below a URL or a folder, by their paths relative to it.

    :raises UserError: if no driver for such a URL is installed. Every method raises it, too, for
        what the other side refuses.
    """

    def __init__(self, url: str) -> None:
        self.url = without_password(url.rstrip("/"))
        # Only where there are folders: elsewhere it would make buckets.
        folders = {"auto_mkdir": True} if _protocol(url) in ("file", "local") else {}
        try:
            from fsspec.core import url_to_fs

            self._fs, root = url_to_fs(url, **folders)
        except ImportError as error:
            raise UserError.of(self.url, f"{in_a_line(error)}: {_EXTRA}") from None
        except Exception as error:  # each driver has its own kinds of errors
            raise self._refused("cannot be reached", error) from None
        self._root = str(root).rstrip("/")
        if not self._root or url.endswith("://"):
            raise UserError.of(self.url, "name a bucket or a folder in it: gs://bucket/results")

    def __str__(self) -> str:
        return self.url

    def names(self, under: str = "") -> dict[str, int]:
        """The objects below a folder and their sizes. What no run of ours is called is left out:
        links, hidden files, and paths that lead elsewhere.
        """
        start = f"{self._root}/{under}".rstrip("/")
        try:
            self._fs.invalidate_cache()
            seen: Mapping[str, Mapping[str, Any]] = self._fs.find(start, detail=True)
        except FileNotFoundError:
            return {}
        except Exception as error:
            raise self._refused("cannot be listed", error) from None
        sizes = {}
        for path, facts in seen.items():
            name = path.removeprefix(f"{self._root}/")
            if facts.get("type") == "file" and not facts.get("islink") and is_plain(name):
                sizes[name] = int(facts["size"])
        return sizes

    def read(self, name: str) -> bytes | None:
        """None: there is none of that name."""
        try:
            content: bytes = self._fs.cat_file(f"{self._root}/{name}")
        except FileNotFoundError:
            return None
        except Exception as error:
            raise self._refused(f"{name} cannot be read", error) from None
        return content

    def write(self, name: str, content: bytes | Path) -> None:
        """:param content: what an object holds from now on, or a file that holds it."""
        path = f"{self._root}/{name}"
        try:
            if isinstance(content, Path):
                self._fs.put_file(str(content), path)
            else:
                self._fs.pipe_file(path, content)
        except Exception as error:
            raise self._refused(f"{name} cannot be written", error) from None

    def fetch(self, names: Mapping[str, Path]) -> None:
        """Copy objects into files, of which the folders are made."""
        for path in names.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        theirs = [f"{self._root}/{name}" for name in names]
        try:
            self._fs.get(theirs, [str(path) for path in names.values()])
        except Exception as error:
            raise self._refused("cannot be fetched", error) from None

    def remove(self, names: Iterable[str]) -> None:
        """Whatever is there of them."""
        for name in names:
            try:
                self._fs.rm_file(f"{self._root}/{name}")
            except FileNotFoundError:
                continue
            except Exception as error:
                raise self._refused(f"{name} cannot be removed", error) from None

    def _refused(self, what: str, error: Exception) -> UserError:
        why = without_password(in_a_line(error), self.url) or type(error).__name__
        return UserError.of(self.url, f"{what}: {why}")


def _protocol(url: str) -> str:
    return url.partition("://")[0].lower() if is_url(url) else "file"


def is_plain(name: str) -> bool:
    """Whether it is a path that cannot lead out of a folder."""
    parts = name.split("/")
    odd = any(not part or part.startswith(".") or "\\" in part for part in parts)
    return not odd and name.isprintable()
