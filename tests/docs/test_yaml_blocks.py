"""YAML on a page is a file that the harness reads, or a part of one."""

from __future__ import annotations

import io

import pytest
from ruamel.yaml import YAML
from snippets import blocks, pages, place
from stages import stage

from harness import envs
from harness.cli.verb import kind_of
from harness.config import strict
from harness.report.checklist import ChecklistFile
from harness.report.results.reference import ReferenceFile
from harness.search import study
from harness.setting import AgentFile
from harness.store.reader import Store
from harness.sweep.expand import expand
from harness.sweep.file import SweepFile

BLOCKS = [block for page in pages() for block in blocks(page) if block.language == "yaml"]
# A part of a sweep file stands in this one.
FRAME = """\
name: frame
question: What does the part say?
envs: [CartPole-v1]
seeds: 8
steps: 100_000
base: {agent: ppo}
arms: {default: {}}
"""
OTHERS = {
    "env": envs.Card,
    "agent": AgentFile,
    "checklist": ChecklistFile,
    "reference": ReferenceFile,
}


def load(text):
    return YAML(typ="rt").load(text)


def of_other(data):
    """The model whose file this is, if it is neither sweep nor search."""
    for model in OTHERS.values():
        fields = model.model_fields
        known = {field.alias or name for name, field in fields.items()} | fields.keys()
        needed = {name for name, field in fields.items() if field.is_required()}
        if needed <= data.keys() <= known:
            return model
    return None


@pytest.mark.parametrize("block", BLOCKS, ids=place)
def test_a_file_on_a_page_is_read_without_an_error(block, no_study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stage(block.page).for_yaml(tmp_path)
    path, data = tmp_path / "snippet.yaml", load(block.text)
    path.write_text(block.text)
    if "name" in data and "envs" in data:
        made = study.read(path) if kind_of(path) == "search" else expand(path).sweep.runs
        assert made
    elif data.keys() <= SweepFile.model_fields.keys():
        framed = load(FRAME)
        if "design" in data:
            del framed["arms"]
        if "decide" in data:
            del framed["seeds"]
        framed.update(data)
        text = io.StringIO()
        YAML(typ="rt").dump(framed, text)
        path.write_text(text.getvalue())
        assert expand(path, store=Store(tmp_path / "results")).sweep.runs
    else:
        model = of_other(data)
        assert model, f"{place(block)}: the keys {sorted(data)} are of no file that is read"
        assert strict.read(path, model)
