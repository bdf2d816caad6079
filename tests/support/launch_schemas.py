"""Make tests/launch/schema: what the engines themselves accept of a launch file.

    pip install skypilot==0.14.1 kubernetes-validate==1.37.0 ray==2.60.0 google-api-python-client
    python tests/support/launch_schemas.py

in an environment of its own: that takes a gigabyte, of which 100 kB are kept. What Google's API and
Kubernetes describe is closed, so that a misspelt key is refused, and its descriptions are left out.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

FOLDER = Path(__file__).parents[1] / "launch" / "schema"
KUBERNETES = "v1.34.0"
# Of a virtual machine, what the file for Ray sets: Google knows ten times as much.
INSTANCE = {"machineType", "disks", "scheduling", "guestAccelerators", "serviceAccounts"}
WORDS = {"description", "title", "example", "examples", "enumDescriptions"}


def without_words(node: Any) -> Any:
    """A schema without what it says to people. A property may be called as they are."""
    if isinstance(node, list):
        return [without_words(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {name: without_words(each) for name, each in value.items()}
        if key in ("properties", "definitions")
        else without_words(value)
        for key, value in node.items()
        if key not in WORDS | {"$id", "$schema"} and not key.startswith("x-kubernetes")
    }


def gathered(root: str, schemas: Schema, convert: Callable[[Schema], Schema]) -> Schema:
    """One of `schemas`, with all that it refers to."""
    definitions: Schema = {}
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name in definitions:
            continue
        definitions[name] = convert(schemas[name])
        waiting += references(definitions[name])
    return {"$ref": f"#/definitions/{root}", "definitions": dict(sorted(definitions.items()))}


def references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [name for each in node for name in references(each)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"].rpartition("/")[2]] if isinstance(node.get("$ref"), str) else []
    return own + [name for value in node.values() for name in references(value)]


# Google ------------------------------------------------------------------------------------------


def google(node: Schema) -> Schema:
    """A schema of Google's discovery service as one of JSON."""
    if "$ref" in node:
        return {"$ref": f"#/definitions/{node['$ref']}"}
    made = {key: node[key] for key in ("type", "enum", "pattern") if key in node}
    if node.get("type") == "any":
        return {}
    if node.get("format") in ("int64", "uint64"):  # written as text, or as a number
        made = {"type": ["string", "integer"], "pattern": r"^\d+$"}
    if node.get("format") == "google-duration":
        made["pattern"] = r"^\d+(\.\d+)?s$"
    if "items" in node:
        made["items"] = google(node["items"])
    if "properties" in node:
        made["properties"] = {name: google(each) for name, each in node["properties"].items()}
        made["additionalProperties"] = False
    if "additionalProperties" in node:
        made["additionalProperties"] = google(node["additionalProperties"])
    return made


def discovered(api: str) -> Schema:
    import googleapiclient

    folder = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    return json.loads((folder / f"{api}.json").read_text())["schemas"]


def instance() -> Schema:
    schemas = discovered("compute.v1")
    known = schemas["Instance"]["properties"]
    schemas["Instance"]["properties"] = {name: known[name] for name in INSTANCE}
    return gathered("Instance", schemas, google)


# The others --------------------------------------------------------------------------------------


def kubernetes(file: str) -> Schema:
    spec = importlib.util.find_spec("kubernetes_validate")
    folder = Path(spec.origin).parent / "kubernetes-json-schema" / f"{KUBERNETES}-local-strict"
    schemas = json.loads((folder / "_definitions.json").read_text())["$defs"]
    schemas["root"] = json.loads((folder / f"{file}.json").read_text())
    return gathered("root", schemas, lambda schema: local(without_words(schema)))


def local(node: Any) -> Any:
    """References into the file itself."""
    if isinstance(node, list):
        return [local(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: f"#/definitions/{value.rpartition('/')[2]}"
        if key == "$ref" and isinstance(value, str)
        else local(value)
        for key, value in node.items()
    }


def sky(kind: str) -> Schema:
    from sky.utils import schemas

    return plain_enums(getattr(schemas, f"get_{kind}_schema")())


def plain_enums(node: Any) -> Any:
    """SkyPilot's own keyword as one that every validator knows."""
    if isinstance(node, list):
        return [plain_enums(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: plain_enums(value) for key, value in node.items()}
    if isinstance(words := made.pop("case_insensitive_enum", None), list):
        made["pattern"] = f"^(?i:{'|'.join(map(str, words))})$"
    return made


def ray() -> Schema:
    spec = importlib.util.find_spec("ray")
    schema = Path(spec.origin).parent / "autoscaler" / "ray-schema.json"
    return without_words(json.loads(schema.read_text()))


MADE: dict[str, Callable[[], Schema]] = {
    "batch-job": lambda: gathered("Job", discovered("batch.v1"), google),
    "compute-instance": instance,
    "kubernetes-configmap": lambda: kubernetes("configmap-v1"),
    "kubernetes-job": lambda: kubernetes("job-batch-v1"),
    "ray-cluster": ray,
    "sky-resources": lambda: sky("resources"),
    "sky-storage": lambda: sky("storage"),
    "sky-task": lambda: sky("task"),
}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, make in MADE.items():
        text = json.dumps(make(), separators=(",", ":"))
        (FOLDER / f"{name}.json").write_text(f"{text}\n")
        print(f"{len(text):8,} {name}")
