"""What is data is not executed, and no name leads out of its folder: hostile files, by every verb.

Each file tries to make the harness run a command. The command makes a file, the canary.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import pickle
import shutil
import sys
import zipfile
from pathlib import Path

import fake_store
import gymnasium as gym
import numpy as np
import pytest
import torch
from fake_tune import FILE, plan
from optuna.samplers import CmaEsSampler
from optuna.trial import create_trial
from source import imports
from tiny import tiny
from typer.testing import CliRunner

from baselines import target
from harness import envs
from harness.cli import model_folder
from harness.cli.main import app
from harness.config.strict import Problem, UserError
from harness.envs.registered import registered
from harness.search.cmaes import CMAES
from harness.search.suggest import draw, first
from harness.spec import Anchors, ResolvedSweep, RunSpec
from harness.store.files import write_json
from harness.store.reader import Store
from harness.store.writer import publish
from harness.sweep.record import keep
from harness.train.run import Job, run

ROOT = Path(__file__).parents[1]

SWEEP = """\
name: {name}
question: Is anything executed?
envs: [{env}]
seeds: 2
steps: 64
evaluation: {{every: 64, episodes: 1, final_episodes: 1}}
arms:
  a: {{agent: {agent}, hparams: {hparams}}}
"""
SEARCH = """\
name: {name}
envs: [{env}]
steps: 64
evaluation: {{every: 64, episodes: 1, final_episodes: 1}}
seeds: 1
budget: {{trials: 1}}
arms:
  {label}: {{agent: pid, hparams: {hparams}, space: {{kp: {{why: A hill., low: 1.0, high: 2.0}}}}}}
"""
CARD = """\
summary: A task that a stranger wrote.
entry_point: {entry}
version: 1
kwargs: {{command: "touch {canary}"}}
actions: discrete
max_episode_steps: 10
anchors_from: {entry}
cells: {entry}
"""
TAGGED = """\
agent: pid
hparams: !!python/object/apply:os.system ["touch {canary}"]
"""


class Bomb:
    """A pickle of it runs a command when it is read."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return os.system, (f"touch {self.canary}",)


@pytest.fixture
def canary(tmp_path, monkeypatch):
    """A path that must not exist when the test is over. What runs stands in a folder beside it."""
    (tmp_path / "study").mkdir()
    monkeypatch.chdir(tmp_path / "study")
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "executed"


def typed(*words):
    """The exit code and the lines that the command says; a traceback fails."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output.splitlines()


def refused(*words):
    """The one line with which the command turns the user's file away."""
    code, lines = typed(*words)
    assert (code, len(lines)) == (2, 1), lines
    return lines[0]


# What a user's own files may name -----------------------------------------------------------------


def strangers_card(folder, canary):
    folder.mkdir(exist_ok=True)
    (folder / "evil.yaml").write_text(CARD.format(entry="os:system", canary=canary))
    return str(folder / "evil")


def absolute(canary):
    return strangers_card(canary.parent / "cards", canary)


def upwards(canary):
    path = strangers_card(canary.parent / "cards", canary)
    return os.path.relpath(path, ROOT / "configs" / "envs")


def family(canary):
    strangers_card(canary.parent / "cards", canary)
    card = (canary.parent / "cards/evil.yaml").read_text() + "sizes: [3]\n"
    (canary.parent / "cards/evil-N.yaml").write_text(card)
    return f"{canary.parent}/cards/evil-3"


NAMES = {
    "absolute": absolute,
    "upwards": upwards,
    "family": family,
    "module": lambda canary: "os:system",
    "long": lambda canary: "x" * 300,
    "empty": lambda canary: "",
}


@pytest.mark.parametrize("verb", ["check", "sweep", "tune"])
@pytest.mark.parametrize("kind", NAMES)
def test_a_file_that_names_an_environment_by_its_path_is_refused_with_its_line(verb, kind, canary):
    text = SEARCH if verb == "tune" else SWEEP
    env = NAMES[kind](canary)
    Path("x.yaml").write_text(
        text.format(name="x", env=f'"{env}"', agent="pid", hparams={}, label="a")
    )

    line = refused(verb, "x.yaml")

    assert line.startswith("x.yaml:")
    assert "envs.0: " in line
    assert len(line) < 400


@pytest.mark.parametrize("verb", [["run", "random"], ["preview"], ["calibrate-env"]])
@pytest.mark.parametrize("kind", ["absolute", "upwards", "family", "long"])
def test_a_command_that_names_an_environment_by_its_path_is_refused(verb, kind, canary):
    line = refused(*verb, NAMES[kind](canary))

    assert "no name of an environment" in line


@pytest.mark.parametrize("verb", [["run", "random"], ["preview"], ["calibrate-env"]])
def test_a_command_that_names_a_module_which_registers_no_environment_is_refused(verb, canary):
    assert "Environment `system` doesn't exist" in refused(*verb, "os:system")


@pytest.mark.parametrize("name", ["..", ".", "../x", "/tmp/x", "a/b", "-x", ".hidden", "x" * 101])
def test_no_sweep_and_no_search_is_called_by_a_path(name, canary):
    for verb, text in (("check", SWEEP), ("tune", SEARCH)):
        Path("x.yaml").write_text(
            text.format(name=f'"{name}"', env="CartPole-v1", agent="pid", hparams={}, label="a")
        )
        assert "x.yaml:1: name: a name has letters" in refused(verb, "x.yaml")
    assert not Path("results").exists()


def test_no_arm_of_a_search_is_called_by_a_path(canary):
    Path("x.yaml").write_text(
        SEARCH.format(name="x", env="CartPole-v1", hparams={}, label='"../../../arm"')
    )

    assert "a name has letters" in refused("tune", "x.yaml")
    assert not (canary.parent / "arm").exists()


@pytest.mark.parametrize(
    "given", ["../best.yaml", "/etc/passwd", "link/best.yaml", "best.pkl", "best.yaml/x"]
)
def test_what_a_search_found_is_read_below_the_sweeps_own_folder_and_as_data(given, canary):
    winner = "agent: pid\nhparams: {kp: 2.0}\n"
    (canary.parent / "best.yaml").write_text(winner)
    Path("link").symlink_to(canary.parent)
    Path("best.pkl").write_bytes(pickle.dumps(Bomb(canary)))
    Path("x.yaml").write_text(
        SWEEP.format(name="x", env="CartPole-v1", agent="pid", hparams=f"{{from: {given}}}")
    )

    line = refused("check", "x.yaml")

    assert given in line
    Path("x.yaml").write_text(Path("x.yaml").read_text().replace(given, "below/best.yaml"))
    Path("below").mkdir()
    Path("below/best.yaml").write_text(winner)
    assert typed("check", "x.yaml")[0] == 0


def test_a_tag_of_yaml_makes_no_object(canary):
    Path("best.yaml").write_text(TAGGED.format(canary=canary))
    Path("x.yaml").write_text(
        SWEEP.format(name="x", env="CartPole-v1", agent="pid", hparams="{from: best.yaml}")
    )

    value = f'kp=!!python/object/apply:os.system ["touch {canary}"]'
    for words in (
        ["check", "x.yaml"], ["check", "best.yaml"], ["run", "pid", "CartPole-v1", "--set", value],
    ):  # fmt: skip
        CliRunner().invoke(app, words)


# What a card names is of its kind -----------------------------------------------------------------

FOREIGN = [
    "os:system",
    "subprocess:Popen",
    "gymnasium:make",
    "harness.envs.build:make",
    "os:environ",
]


def card(canary, **names):
    facts = {
        "summary": "",
        "version": 1,
        "actions": "discrete",
        "kwargs": {"command": f"touch {canary}"},
    }
    facts |= {"entry_point": "harness.envs.deep_sea:DeepSea", "anchors_from": "os:system"}
    return envs.Card.model_validate(facts | names)


@pytest.mark.parametrize("name", FOREIGN)
def test_what_a_card_names_is_not_called_unless_it_is_of_its_kind(name, canary):
    with pytest.raises(ValueError, match=r"Env.*not called"):
        envs.make(card(canary, entry_point=name))
    with pytest.raises(ValueError, match=r"Anchors.*not called"):
        card(canary, anchors_from=name).scale()
    with pytest.raises(ValueError, match=r"Plane.*not called"):
        card(canary, cells=name).plane(gym.Env())


NO_NAMES = ["os.system", "a b:c", "../x:y", "os:path.join", "os:", ":x", "x" * 300 + ":y"]


@pytest.mark.parametrize(
    ("name", "words"),
    [*((name, "module:Name") for name in NO_NAMES), ("os:nothing", "has no nothing")],
)
def test_what_does_not_read_module_name_is_not_imported(name, words, canary):
    with pytest.raises(ValueError, match=words):
        envs.make(card(canary, entry_point=name))


@pytest.mark.parametrize(
    "name", ["intruder:CartPole-v1", "a:b:C-v0", "../x:C-v0", "intruder:", "C-v0\n"]
)
def test_gymnasium_is_asked_for_nothing_that_it_would_import_by_itself(name, canary, monkeypatch):
    Path("intruder.py").write_text(f"open({str(canary)!r}, 'w')")
    monkeypatch.syspath_prepend(Path.cwd())
    monkeypatch.setattr(target, "import_module", lambda name: pytest.fail(name))

    with pytest.raises((ValueError, pytest.fail.Exception)):
        registered(name, {})


@pytest.mark.parametrize(("name", "kind"), [
    ("harness.envs.deep_sea:DeepSea", gym.Env),
    ("harness.envs.deep_sea:anchors", Anchors),
])  # fmt: skip
def test_a_class_of_the_kind_or_a_function_registered_for_it_is_found(name, kind):
    assert target.load(name, kind).__module__ == "harness.envs.deep_sea"


HOMES = {  # of a call, by its spelling: the one file in which it may stand
    "import_module": "baselines/target.py",
    "importlib.import_module": "baselines/target.py",
    "gym.make": "harness/envs/registered.py",
    "gym.spec": "harness/envs/registered.py",
    "subprocess.Popen": "harness/train/executors/warm.py",
}
NOWHERE = ["__import__", "eval", "exec", "compile", "os.system", "yaml.load"]
PICKLES = {"pickle", "cloudpickle", "dill", "jsonpickle", "marshal", "joblib", "shelve"}
NOWHERE += [f"{module}.{name}" for module in PICKLES for name in ("load", "loads", "decode")]


def calls(path):
    """How each call of a file is spelled, its keywords, and where it stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            keywords = {key.arg: ast.unparse(key.value) for key in node.keywords}
            yield ast.unparse(node.func), keywords, f"{path}:{node.lineno}"


def test_names_become_imports_in_one_place_and_pickles_nowhere():
    found = set()
    for path in sorted([*ROOT.glob("harness/**/*.py"), *ROOT.glob("baselines/**/*.py")]):
        if path != ROOT / "harness/search/cmaes.py":  # which lets nothing be named
            assert not PICKLES & {name.partition(".")[0] for name in imports(path)}, path
        for call, keywords, where in calls(path):
            assert call not in NOWHERE, where
            if call in HOMES:
                found.add(call)
                assert path == ROOT / HOMES[call], where
            if call == "torch.load":
                assert keywords["weights_only"] == "True", where
            assert keywords.get("allow_pickle", "False") == "False", where
            assert keywords.get("load_data", "False") == "False", where  # of SB3's archives
    assert found >= {"import_module", "gym.make"}


def shipping(monkeypatch, folder, **cards):
    """Let these be the installation's cards: what a user may have put there."""
    (folder / "configs/envs").mkdir(parents=True)
    for name, text in cards.items():
        (folder / f"configs/envs/{name}.yaml").write_text(text)
    cards = sys.modules["harness.envs.card"]  # `harness.envs.card` is its function
    monkeypatch.setattr(cards, "shipped", lambda of: folder / of)


@pytest.mark.parametrize("verb", ["check", "sweep", "tune"])
@pytest.mark.parametrize("key", ["entry_point", "anchors_from", "cells", "id"])
def test_a_card_that_names_something_else_is_told_by_check_with_the_sweeps_line(
    verb, key, canary, monkeypatch
):
    names = {"entry_point": "harness.envs.deep_sea:DeepSea"}
    names |= {"anchors_from": "harness.envs.deep_sea:anchors"} | {key: "os:system"}
    if key == "id":
        names.pop("entry_point")
    card = {"summary": "", "version": 1, "actions": "discrete", "kwargs": {"size": 4}} | names
    shipping(monkeypatch, canary.parent, **{f"Wrong{key}": json.dumps(card)})
    text = SEARCH if verb == "tune" else SWEEP
    Path("x.yaml").write_text(
        text.format(name="x", env=f"Wrong{key}", agent="random", hparams={}, label="a")
    )

    line = refused(verb, "x.yaml")

    assert line.startswith("x.yaml:")
    assert "os:system" in line


@pytest.mark.parametrize("verb", ["preview", "calibrate-env"])
def test_a_card_that_names_something_else_is_one_line_to_who_looks_at_it(verb, canary, monkeypatch):
    text = CARD.format(entry="os:system", canary=canary)
    shipping(monkeypatch, canary.parent, Wrong=text)

    assert "'os:system' is no Env, and no function" in refused(verb, "Wrong")


def test_check_tells_what_names_have_imported(canary, monkeypatch):
    monkeypatch.setattr(target, "IMPORTED", {})
    Path("x.yaml").write_text(
        SWEEP.format(name="x", env="DeepSea-10", agent="tabular_q", hparams={})
    )

    code, lines = typed("check", "x.yaml")

    assert code == 0
    (told,) = [line for line in lines if line.startswith("modules")]
    assert {"harness.envs.deep_sea", "baselines.classic.tabular_q"} <= set(
        told.removeprefix("modules").replace(" ", "").split(",")
    )


# A stranger's results -----------------------------------------------------------------------------


def strangers_run(root, spec, **facts):
    """A finished run as its folder might come in an archive, whatever its spec says."""
    content = spec.model_dump(mode="json", exclude={"arm"}) | facts
    with contextlib.suppress(ValueError):
        spec = RunSpec.model_validate(content)
    folder = root / "runs" / "a" / "b" / spec.key
    folder.mkdir(parents=True)
    (folder / "spec.json").write_text(json.dumps(content))
    result = {"key": spec.key, "steps_trained": spec.steps, "weights": "0" * 64}
    result |= {"final": {"mean": 1.0, "sd": 0.0, "episodes": 1}, "wall_seconds": 1.0}
    result |= {"cpu_seconds": 1.0, "peak_memory_mb": 1.0, "packages": {}, "machine": {}}
    row = {"step": spec.steps, "final": True, "returns": [1.0], "lengths": [1]}
    (folder / "evals.jsonl").write_text(json.dumps(row) + "\n")
    publish(folder, result)
    return folder


def strangers_sweep(spec, facts):
    """A sweep of one such run in results/, as an archive may bring it."""
    root = Path("results")
    content = spec.model_dump(mode="json") | {"arm": "a"} | facts
    strangers_run(root, spec, **facts)
    with contextlib.suppress(ValueError):  # a name that no reader lets pass
        store = Store(root)
        shutil.rmtree(store.folder(RunSpec.model_validate(content)), ignore_errors=True)
        shutil.move(next(root.glob("runs/a/b/*")), store.folder(RunSpec.model_validate(content)))
    folder = root / "sweeps" / "x"
    folder.mkdir(parents=True)
    write_json(folder / "sweep.json", {
        "name": "x", "question": "", "source": "x.yaml", "arms": ["a"], "envs": [content["env"]],
        "runs": [content],
    })  # fmt: skip


def own_card(canary):
    """A spec whose card is the stranger's own, down to its name."""
    found = absolute(canary)
    return {
        "env": found,
        "card": {
            "id": None, "entry_point": "os:system", "version": 1, "wrappers": [],
            "kwargs": {"command": f"touch {canary}"}, "max_episode_steps": 10,
        },
    }  # fmt: skip


SPECS = {
    "the stranger's own card": own_card,
    "a card that this installation has otherwise": lambda canary: {
        "card": {
            "id": None, "entry_point": "os:system", "version": 1, "wrappers": [],
            "kwargs": {"command": f"touch {canary}"}, "max_episode_steps": 500,
        },
    },
    "an environment of the stranger's module": lambda canary: {"env": "intruder:Evil-v0"},
    "an id that Gymnasium would import": lambda canary: {
        "env": "Evil", "card": {"id": "intruder:Evil-v0"},
    },
    "an agent of the stranger's module": lambda canary: {"agent": "intruder:Agent"},
    "an agent by its path": lambda canary: {"agent": "../../intruder"},
    "a wrapper that is none": lambda canary: {"wrappers": [{"name": "os:system"}]},
    "hyper-parameters that are none": lambda canary: {
        "hparams": {"policy": "intruder:Policy", "policy_kwargs": {"activation_fn": "os.system"}}
    },
}  # fmt: skip


OPENING = [  # verbs that open a stored run
    ["watch"], ["watch", "--trust"], ["verify", "--sample", "1"], ["model-report"],
    ["model-report", "--trust"],
]  # fmt: skip


@pytest.mark.parametrize("verb", OPENING, ids=" ".join)
@pytest.mark.parametrize("kind", SPECS)
def test_a_strangers_run_folder_is_refused_in_one_line_and_brings_no_code(
    verb, kind, canary, monkeypatch
):
    folder = strangers_run(canary.parent / "archive", tiny("ppo"), **SPECS[kind](canary))
    for place in (folder, Path()):
        (place / "intruder.py").write_text(f"open({str(canary)!r}, 'w')")
    monkeypatch.syspath_prepend(Path.cwd())

    code, lines = typed(verb[0], folder, *verb[1:])

    assert code in (1, 2)
    assert len(lines) <= 2, lines


HOSTILE = ["os", "subprocess", "intruder", "intruder.part", "antigravity", "../intruder", ""]


@pytest.fixture
def unmeasured(monkeypatch):
    """A model report ends where it would begin to measure, which takes long."""

    def held_out(run):
        raise UserError([Problem("model-report", None, "", "begins to measure")])

    monkeypatch.setattr(model_folder, "held_out", held_out)


@pytest.mark.parametrize("verb", OPENING, ids=" ".join)
def test_modules_that_a_record_calls_its_sources_are_not_imported(
    verb, learned, canary, monkeypatch, unmeasured
):
    agent = "world_model" if verb[0] == "model-report" else "tabular_q"
    folder = copied(learned[agent], canary.parent)
    Path("intruder.py").write_text(f"open({str(canary)!r}, 'w')")
    monkeypatch.syspath_prepend(Path.cwd())
    strange = dict.fromkeys(HOSTILE, "0" * 16)
    fake_store.edit_result(folder, lambda facts: facts["sources"].update(strange))

    code, lines = typed(verb[0], folder, *verb[1:])

    assert "antigravity" not in sys.modules
    if verb[0] == "verify" or "--trust" in verb:
        assert code == 0 or "begins to measure" in lines[0], lines
    else:
        assert (code, len(lines)) == (2, 1), lines
        assert "was 0000000000000000, is " in lines[0] and "--trust" in lines[0]


@pytest.mark.parametrize("verb", ["watch", "model-report"])
@pytest.mark.parametrize("module", ["baselines.api", "harness.envs.build", None])
def test_a_run_that_was_made_from_other_sources_is_shown_with_trust_alone(
    verb, module, learned, canary, unmeasured
):
    """None: its record does not tell its sources."""
    agent = "world_model" if verb == "model-report" else "tabular_q"
    folder = copied(learned[agent], canary.parent)
    fake_store.edit_result(
        folder,
        lambda facts: (
            facts["sources"].update({module: "0" * 16}) if module else facts.pop("sources")
        ),
    )

    line = refused(verb, folder)

    assert f"{module} (was {'0' * 16}, is " in line if module else "(was not recorded, is " in line
    code, lines = typed(verb, folder, "--trust")
    assert code == 0 or "begins to measure" in lines[0], lines


def copied(run_folder, to):
    """The folder of a run, in a store of its own."""
    folder = to / "archive" / run_folder.name
    shutil.copytree(run_folder, folder)
    return folder


@pytest.mark.parametrize("words", [
    ["status"], ["status", "x"], ["report", "x"], ["verify", "x"], ["model-report", "x"],
    ["ls", "runs"], ["ls", "costs"],
], ids=" ".join)  # fmt: skip
@pytest.mark.parametrize("facts", [
    {"agent": "nobodys"}, {"env": "Nowhere-v0"}, {"wrappers": [{"no": "name"}]},
    pytest.param({"wrappers": [{"name": "nobodys"}]}, marks=pytest.mark.slow),
    pytest.param({"hparams": {"nobodys": 1}}, marks=pytest.mark.slow),
    pytest.param({"env": "DeepSea-10"}, marks=pytest.mark.slow),
], ids=str)  # fmt: skip
def test_a_sweep_of_agents_and_environments_that_are_not_here_is_no_traceback(
    facts, words, canary, monkeypatch
):
    strangers_sweep(tiny("world_model"), facts)
    monkeypatch.setattr(target, "IMPORTED", {})

    typed(*words)

    if words[0] not in ("verify", "model-report"):  # which act; the others read
        assert target.IMPORTED == {}


@pytest.mark.parametrize(
    "kind", ["the stranger's own card", "an environment of the stranger's module"]
)
@pytest.mark.parametrize("words", [
    ["status"], ["status", "x"], ["report", "x"], ["verify", "x"], ["model-report", "x"],
    ["ls", "runs"], ["ls", "costs"], ["ls", "searches"],
], ids=" ".join)  # fmt: skip
def test_a_strangers_sweep_is_read_as_data(kind, words, canary, monkeypatch):
    strangers_sweep(tiny("pid"), SPECS[kind](canary))
    Path("intruder.py").write_text(f"open({str(canary)!r}, 'w')")
    monkeypatch.syspath_prepend(Path.cwd())

    typed(*words)

    assert not list(canary.parent.glob("cards/*/")), "a folder was made outside of results/"


@pytest.mark.parametrize("name", ["../../x", "../../../x", "..", "x/../../../x"])
@pytest.mark.parametrize("verb", ["status", "report", "verify", "model-report"])
def test_no_verb_follows_the_name_of_a_sweep_out_of_results(verb, name, canary):
    Path("results/sweeps/x").mkdir(parents=True)
    for folder in (canary.parent / "x", Path("x")):
        folder.mkdir()
        keep(ResolvedSweep(name="x", question="", source="", arms=(), envs=()), Store(folder))
        (folder / "sweeps/x/sweep.json").rename(folder / "sweep.json")

    assert "no name of a sweep" in refused(verb, name)


# Models -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """One finished run of each format in which a model is kept."""
    store = Store(tmp_path_factory.mktemp("learned"))
    found = {}
    for agent in ("ppo", "tabular_q", "dreamer", "world_model"):
        spec = tiny(agent, normalize=True) if agent == "ppo" else tiny(agent)
        run(spec, Job(store.root))
        found[agent] = store.folder(spec)
    return found


def bombs(path, canary):
    """The file anew, with what is loaded from it a pickle that runs a command."""
    bomb = pickle.dumps(Bomb(canary))
    yield bomb
    if path.suffix == ".npz":
        kept = dict(np.load(path))
        with path.open("wb") as file:
            np.savez(file, **{name: np.array(Bomb(canary), dtype=object) for name in kept})
        yield path.read_bytes()
    if path.suffix == ".pt":
        torch.save(Bomb(canary), path)
        yield path.read_bytes()
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        inner = path.with_suffix(".pth")
        torch.save(Bomb(canary), inner)
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, inner.read_bytes() if name.endswith(".pth") else bomb)
        inner.unlink()
        yield path.read_bytes()


@pytest.mark.parametrize("agent", ["ppo", "tabular_q", "dreamer", "world_model"])
def test_a_model_that_is_a_pickle_is_refused_in_one_line_by_every_verb(agent, learned, canary):
    verbs = ["watch", "model-report"] if agent in ("dreamer", "world_model") else ["watch"]
    files = [
        path for path in sorted((learned[agent] / "model").iterdir()) if path.suffix != ".json"
    ]
    assert files
    for path in files:
        before = path.read_bytes()
        for bomb in list(bombs(path, canary)):
            path.write_bytes(bomb)
            fake_store.seal(learned[agent])
            for verb in verbs:
                assert "model" in refused(verb, learned[agent])
        path.write_bytes(before)
        fake_store.seal(learned[agent])


# Searches -----------------------------------------------------------------------------------------


def told(trial, value, attributes=None):
    """The trial, finished."""
    return create_trial(
        value=value, params=trial.params, distributions=trial.distributions,
        system_attrs=trial.system_attrs | (attributes or {}),
    )  # fmt: skip


def test_a_study_whose_sampler_would_read_a_pickle_is_refused(canary):
    """Optuna keeps the state of CMA-ES in the study, as a pickle."""
    of = plan(canary.parent, FILE.replace("batch: 4", "batch: 4\nsampler: cmaes"))
    bomb = {"cma:optimizer:0": pickle.dumps(Bomb(canary)).hex(), "cma:generation": 0}
    trials = [first(of), *(draw(of, [first(of)]) for _ in range(5))]
    trials = [told(trial, 1.0, bomb) for trial in trials]

    with pytest.raises(UserError, match=r"no state of CMA-ES: it names posix\.system"):
        draw(of, trials)


def test_the_state_of_cmaes_is_read_as_optuna_reads_it(tmp_path):
    of = plan(tmp_path, FILE.replace("batch: 4", "batch: 4\nsampler: cmaes"))
    trials = [first(of)]
    for i in range(12):
        trials = [*trials[:-1], told(trials[-1], float(i))]
        trials.append(draw(of, trials))
    assert any(key.startswith("cma:optimizer") for t in trials for key in t.system_attrs)

    optunas = CmaEsSampler(seed=1)._restore_optimizer(trials)
    ours = CMAES(seed=1)._restore_optimizer(trials)

    assert ours.mean.tolist() == optunas.mean.tolist()
    assert ours.generation == optunas.generation
