"""JSON Schemas of the YAML files, so that editors complete and check them.

Each shipped YAML names its schema in its first line; `python -m harness.cli.schema`
writes them anew.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

import baselines
from harness import envs
from harness.config.shipped import shipped
from harness.report.checklist import ChecklistFile
from harness.report.checklist.questions import QUESTIONS
from harness.report.results.reference import ReferenceFile
from harness.search.file import SearchFile
from harness.setting import AgentFile
from harness.store.cost import CostFile
from harness.sweep.claim import SCORES
from harness.sweep.file import SweepFile

HERE = shipped("configs/schema")
OWN = r"^[\w.]+:[\w/.-]+$"  # "module:Class", "module:Name-v0"
# Families such as DeepSea-N have more members than are listed, and Gymnasium more environments.
MORE = r"-v?\d+$|\.ya?ml$"


def schemas() -> dict[str, dict[str, Any]]:
    """File name -> schema."""
    models: dict[str, type[BaseModel]] = {
        "sweep": SweepFile,
        "agent": AgentFile,
        "env": envs.Card,
        "costs": CostFile,
        "checklist": ChecklistFile,
        "reference": ReferenceFile,
        "search": SearchFile,
    }
    made = {f"{name}.json": model.model_json_schema() for name, model in models.items()}
    _offer_names(made["sweep.json"], "Departure", "Arm")
    scores = made["sweep.json"]["$defs"]["ReportOptions"]["properties"]["scores"]
    scores["items"]["enum"] = list(SCORES)
    _offer_names(made["search.json"], "Searched")
    made["checklist.json"]["properties"]["answers"]["propertyNames"] = {"enum": list(QUESTIONS)}
    return made


def _offer_names(schema: dict[str, Any], *arms: str) -> None:
    """Let editors complete what is a free word to the model and a known name to the harness."""
    known = {"agent": list(baselines.names()), "bonus": list(baselines.BONUSES)}
    for arm in arms:
        for key, names in known.items():
            kinds = schema["$defs"][arm]["properties"][key]["anyOf"]
            kinds[:1] = [{"enum": names}, {"type": "string", "pattern": OWN}]
    members = {"enum": envs.card_names()}
    schema["properties"]["envs"]["items"] = {
        "anyOf": [members, {"type": "string", "pattern": f"{MORE}|{OWN}"}]
    }


def text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def write() -> None:
    for name, schema in schemas().items():
        (HERE / name).write_text(text(schema))


if __name__ == "__main__":
    write()
