"""Editors check our YAML by the shipped schemas: they must be what the models say."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import jsonschema
import pytest

from harness.cli.schema import HERE, schemas, text
from harness.config import strict

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("configs/**/*.yaml"), *ROOT.glob("ablations/*.yaml")])


@pytest.mark.parametrize("name", schemas())
def test_a_shipped_schema_is_what_the_model_says(name):
    assert (HERE / name).read_text() == text(schemas()[name]), "run: python -m harness.cli.schema"


@cache
def validator(path):
    schema = json.loads(path.read_text())
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return kind(schema)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_yaml_names_its_schema_and_agrees_with_it(path):
    first = path.read_text().splitlines()[0]
    reference = first.removeprefix("# yaml-language-server: $schema=")

    validator((path.parent / reference).resolve()).validate(strict.load(path).data)


def test_the_schema_knows_agents_and_environments():
    schema = schemas()["sweep.json"]
    good = {"name": "x", "question": "?", "seeds": 1, "steps": 1}

    jsonschema.validate(good | {"envs": ["CartPole-v1", "DeepSea-17"]}, schema)
    for bad in ({"envs": ["CartPol"]}, {"envs": ["CartPole-v1"], "base": {"agent": "ppoo"}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(good | bad, schema)
