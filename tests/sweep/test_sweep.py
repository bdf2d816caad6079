"""A sweep file becomes a list of complete specs, or a list of everything that is wrong with it."""

from __future__ import annotations

import json
import time

import pytest

from harness import envs
from harness.config.shipped import shipped
from harness.config.strict import UserError
from harness.setting import Layer
from harness.store.reader import Store
from harness.sweep.expand import expand as expand_file
from harness.sweep.order import in_order
from harness.sweep.record import keep
from harness.sweep.request import Request
from harness.sweep.resolve import acting_in, resolve

HEAD = """\
name: test
question: Does it?
envs: [CartPole-v1, DeepSea-10]
seeds: 2
steps: {CartPole-v1: 4_000, DeepSea-10: 2_000}
"""


@pytest.fixture
def expand(tmp_path):
    def walk(text, overrides=()):
        path = tmp_path / "sweep.yaml"
        path.write_text(text)
        return expand_file(path, overrides).sweep

    return walk


@pytest.fixture
def problems(expand):
    def walk(text):
        with pytest.raises(UserError) as caught:
            expand(text)
        return {(p.line, p.key): p.message for p in caught.value.problems}

    return walk


def test_arms_environments_and_seeds_multiply(expand):
    found = expand(HEAD + "arms: {a: {agent: ppo}, b: {agent: dqn}}\n")

    assert [(run.arm, run.env, run.seed, run.steps) for run in found.runs] == [
        (arm, env, seed, steps)
        for arm in ("a", "b")
        for env, steps in (("CartPole-v1", 4_000), ("DeepSea-10", 2_000))
        for seed in (0, 1)
    ]


PARTLY_SEEN = [name for name in envs.card_names() if name.startswith("MiniGrid-")]


@pytest.mark.parametrize("name", [*PARTLY_SEEN, "Pong-v5", "MontezumaRevenge-v5"])
def test_where_a_greedy_policy_gets_stuck_the_card_has_agents_sample(name):
    assert not envs.card(name).deterministic


@pytest.mark.parametrize(
    ("said", "acting", "origin"),
    [
        ("", {"CartPole-v1": True, "MiniGrid-Unlock-v0": False}, "the card of MiniGrid-Unlock-v0"),
        ("deterministic: true", {"CartPole-v1": True, "MiniGrid-Unlock-v0": True}, "evaluation"),
        ("deterministic: false", {"CartPole-v1": False, "MiniGrid-Unlock-v0": False}, "evaluation"),
    ],
)
def test_how_agents_act_is_said_by_the_sweep_else_by_the_card(
    tmp_path, expand, said, acting, origin
):
    text = (
        "name: test\nquestion: Does it?\nenvs: [CartPole-v1, MiniGrid-Unlock-v0]\nseeds: 1\n"
        f"steps: 4_000\narms: {{a: {{agent: random}}}}\nevaluation: {{every: 500, {said}}}\n"
    )
    runs = expand(text).runs

    assert {run.env: run.evaluation.deterministic for run in runs} == acting
    assert {run.evaluation.every for run in runs} == {500}
    file = expand_file(tmp_path / "sweep.yaml").file
    card = envs.card("MiniGrid-Unlock-v0")
    assert acting_in(card, file.evaluation, "sweep.yaml").origin.endswith(origin)


def test_a_single_run_acts_as_its_environments_card_says():
    asked = Request("random", "MiniGrid-Unlock-v0", 100)

    assert not resolve(asked).evaluation.deterministic
    asked = asked._replace(evaluation={"deterministic": True})
    assert resolve(asked).evaluation.deterministic


def test_how_agents_are_scored_on_a_card_changes_no_run_whose_sweep_says_it(monkeypatch):
    asked = Request("random", "CartPole-v1", 100, evaluation={"deterministic": True})
    before = resolve(asked)
    turned = envs.card("CartPole-v1").model_copy(update={"deterministic": False})
    monkeypatch.setattr(envs, "card", lambda name: turned)

    assert resolve(asked).key == before.key


@pytest.mark.parametrize("name", ["cuda:99", "meta", "nonsense"])
def test_a_device_that_is_not_here_is_refused_at_its_line_where_runs_are_to_be_trained(
    tmp_path, name
):
    path = tmp_path / "sweep.yaml"
    path.write_text(HEAD + f"arms: {{a: {{agent: random}}}}\nengine:\n  device: '{name}'\n")

    with pytest.raises(UserError) as caught:
        expand_file(path, rehearse=True)

    assert [(p.line, p.key) for p in caught.value.problems] == [(8, "engine.device")]
    assert f"there is no device '{name}' here" in caught.value.problems[0].message
    assert expand_file(path).sweep.runs[0].engine.device == name


def test_only_a_grid_multiplies(expand):
    found = expand(
        HEAD
        + "base: {agent: ppo, hparams: {policy_kwargs: {net_arch: [8, 8]}}}\n"
        + "arms: {a: {grid: {gamma: [0.9, 0.99], n_epochs: [2, 4]}}}\n"
    )

    assert found.arms == tuple(
        f"a[gamma={gamma},n_epochs={epochs}]" for gamma in (0.9, 0.99) for epochs in (2, 4)
    )
    assert all(run.hparams["policy_kwargs"]["net_arch"] == [8, 8] for run in found.runs)


def test_hyperparameters_come_from_the_last_layer_that_sets_them(expand):
    text = HEAD + (
        "base:\n  agent: ppo\n"
        "  hparams: {gamma: 0.5, gae_lambda: 0.5, policy_kwargs: {net_arch: [8]}}\n"
        "arms: {a: {hparams: {gae_lambda: 0.6, policy_kwargs: {activation_fn: relu}}}}\n"
    )

    hparams = expand(text, [Layer("--set", {"gae_lambda": 0.7})]).runs[0].hparams

    assert (hparams["gamma"], hparams["gae_lambda"]) == (0.5, 0.7)
    assert hparams["policy_kwargs"]["net_arch"] == [8]
    assert hparams["policy_kwargs"]["activation_fn"] == "relu"
    tuned = resolve(Request("ppo", "CartPole-v1", 4_000)).hparams
    assert (
        hparams["n_steps"]
        == tuned["n_steps"]
        != resolve(Request("ppo", "Acrobot-v1", 9_000)).hparams["n_steps"]
    )


def test_every_value_is_explained_by_its_origin(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(HEAD + "base: {agent: ppo}\narms: {a: {hparams: {gamma: 0.5}}, b: {}}\n")

    found = {(o.arm, o.env): o.settings for o in expand_file(path).origins()}

    a = found["a", "CartPole-v1"]
    assert a.origins["gamma"].endswith("sweep.yaml: arms.a")
    assert a.origins["n_steps"] == "configs/agents/ppo.yaml: CartPole-v1"
    assert a.origins["vf_coef"] == "the agent's own default"
    assert set(found) == {(arm, env) for arm in "ab" for env in ("CartPole-v1", "DeepSea-10")}


@pytest.mark.parametrize(
    ("design", "arms"),
    [
        ("one_in", ["base", "only_x", "only_y", "only_z"]),
        ("leave_one_out", ["full", "no_x", "no_y", "no_z"]),
        ("factorial", ["base", "x", "y", "z", "x+y", "x+z", "y+z", "x+y+z"]),
    ],
)
def test_a_design_combines_components(expand, design, arms):
    found = expand(
        HEAD
        + f"base: {{agent: ppo, hparams: {{gamma: 0.5}}}}\ndesign: {design}\n"
        + "components:\n"
        + "  x: {with: {hparams: {gamma: 0.9}}}\n"
        + "  y: {with: {hparams: {n_epochs: 3}}, without: {hparams: {n_epochs: 1}}}\n"
        + "  z: {without: {hparams: {gae_lambda: 0.7}}}\n"
    )

    assert list(found.arms) == arms
    for run in found.runs:
        parts = set("xyz") if run.arm == "full" else set(run.arm.removeprefix("only_").split("+"))
        if run.arm.startswith("no_"):
            parts = set("xyz") - {run.arm[-1]}
        assert (run.hparams["gamma"] == 0.9) == ("x" in parts)
        assert run.hparams["n_epochs"] == (3 if "y" in parts else 1)
        assert (run.hparams["gae_lambda"] == 0.7) == ("z" not in parts)


def test_all_that_is_wrong_is_said_at_once_with_its_line(problems):
    found = problems(
        "name: test\n"
        "question: Does it?\n"
        "envs: [CartPole-v1, CartPol-v1]\n"  # 3
        "seeds: [0, 10_000]\n"  # 4
        "steps: 1000\n"
        "base: {agent: ppo}\n"
        "arms:\n"
        "  a:\n"
        "    hparams:\n"
        "      gama: 0.9\n"  # 10
        "      n_epochs: fast\n"  # 11
        "  b: {agent: pppo}\n"  # 12
        "  c: {agent: sac}\n"  # 13
        "  d: {wrappers: [stickyactions]}\n"  # 14
        "claims:\n"
        "  - a better than b\n"  # 16
        "  - a > e by final\n"  # 17
        "report: {baseline: z}\n"  # 18
    )

    assert {line for line, _ in found} == {3, 4, 10, 11, 12, 13, 14, 16, 17, 18}
    text = " ".join(found.values())
    for hint in ("'CartPole-v1'", "'gamma'", "'ppo'", "'sticky_actions'"):
        assert f"Did you mean {hint}?" in text


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("arms: {a: {}}\n", "arms.a"),  # no agent
        ("", "arms"),
        ("design: one_in\n", "design"),
        ("components: {x: {}}\n", "components"),
        ("base: {agent: ppo}\narms: {a: {}, b: {}}\n", "arms.b"),  # the same runs
        ("arms: {a: {agent: ppo, envs: [Acrobot-v1]}}\n", "arms.a.envs.0"),
        ("arms: {a: {agent: ppo, steps: 0}}\n", "arms.a.steps"),
        ("arms: {a: {agent: ppo, steps: {Acrobot-v1: 5}}}\n", "arms.a.steps.Acrobot-v1"),
    ],
)
def test_what_could_not_be_an_ablation_is_refused(problems, text, key):
    assert key in {where for _, where in problems(HEAD + text)}


def test_two_arms_that_are_one_in_some_environment_are_refused(problems):
    found = problems(
        HEAD + "arms: {a: {agent: ppo}, b: {agent: ppo, steps: {CartPole-v1: 5_000}}}\n"
    )

    assert [message for (_, key), message in found.items() if key == "arms.b"] == [
        "'a' and 'b' are the very same runs on DeepSea-10: change or drop one, or leave these out "
        "of the `envs` of one"
    ]


TWO = "base: {agent: ppo}\narms: {a: {}, b: {hparams: {gamma: 0.5}}}\n"


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (TWO + "claims: [a > a by final]\n", "claims.0", "compares an arm with itself"),
        (TWO + "claims: [a > b by auc, b > a by auc]\n", "claims.1", "exclude each other"),
        (TWO + "claims: [a > b by auc, a > b by auc]\n", "claims.1", "stands there twice"),
        (TWO + "report: {scores: []}\n", "report.scores", "no score: name final or auc"),
        (TWO + "report: {scores: [auc, auc]}\n", "report.scores", "auc stands there 2 times"),
        (TWO + "report: {metrics: [m, m]}\n", "report.metrics", "m stands there 2 times"),
        (
            TWO + "report: {metrics: [rollout/remote, curiosity/raw_bonsu]}\n",
            "report.metrics.1",
            "no agent that ships tells 'curiosity/raw_bonsu'. Did you mean 'curiosity/raw_bonus'?",
        ),
        ("arms: {a: {agent: ppo, envs: []}}\n", "arms.a.envs", "no environment, so no run"),
        (
            "arms: {a: {agent: ppo, envs: [DeepSea-10, DeepSea-10]}}\n",
            "arms.a.envs",
            "DeepSea-10 stands there 2 times",
        ),
        ("arms: {a: {agent: ppo, grid: {gamma: []}}}\n", "arms.a.grid.gamma", "no value"),
        (
            "arms: {a: {agent: ppo, grid: {gamma: [0.5, 0.5]}}}\n",
            "arms.a.grid.gamma",
            "0.5 stands there 2 times",
        ),
        (
            "arms: {'a b': {agent: ppo}}\n",
            "arms.a b",
            "claims cannot name an arm 'a b'",
        ),
        (
            "arms: {a: {agent: ppo, components: [x, x]}}\n",
            "arms.a.components",
            "x stands there 2 times",
        ),
    ],
)
def test_nonsense_is_refused_where_it_stands(problems, text, key, words):
    found = {where: message for (_, where), message in problems(HEAD + text).items()}

    assert words in found[key]


def test_an_agent_of_the_users_own_may_tell_what_it_likes(expand):
    mine = "arms: {a: {agent: 'baselines.classic.random:Random'}}\n"

    found = expand(HEAD + mine + "report: {metrics: [train/mine]}\n")

    assert found.report.metrics == ("train/mine",)


@pytest.mark.parametrize(
    ("head", "text", "key"),
    [
        (HEAD.replace("seeds: 2", "seeds: 1000000000"), TWO, "seeds"),
        (HEAD.replace("seeds: 2", "seeds: [0, 1000000000000]"), TWO, "seeds"),
        (HEAD.replace("seeds: 2", "seeds: 10_000"), TWO, "seeds"),
        (HEAD, TWO.replace("a: {}", "a: {steps: 9_000_000_000_000_000}"), "arms.a.steps"),
        (HEAD, TWO.replace("a: {}", "a: {steps: 1e30}"), "arms.a.steps"),
        (HEAD, TWO + "evaluation: {final_episodes: 1e12}\n", "evaluation.final_episodes"),
        (HEAD, TWO + "evaluation: {episodes: 10_000_000}\n", "evaluation.episodes"),
        (HEAD, TWO + "engine: {threads: 1_000_000}\n", "engine.threads"),
        (
            HEAD,
            TWO.replace("a: {}", "a: {grid: {%s}}")
            % ", ".join(f"{key}: [{', '.join(map(str, range(1, 1001)))}]" for key in "xyz"),
            "arms.a.grid",
        ),
        (
            HEAD,
            "base: {agent: ppo}\ndesign: factorial\ncomponents:\n"
            + "".join(f"  c{i}: {{with: {{hparams: {{gamma: 0.{i + 1}}}}}}}\n" for i in range(40)),
            "design",
        ),
    ],
)
def test_what_no_machine_can_hold_is_refused_before_it_is_expanded(problems, head, text, key):
    start = time.process_time()

    assert key in {where for _, where in problems(head + text)}
    assert time.process_time() - start < 5


def test_mistakes_of_every_kind_are_told_at_once(problems):
    found = problems(
        "name: test\n"
        "question: Does it?\n"
        "envs: [CartPole-v1, CartPol-v1]\n"  # 3
        "seeds: ten\n"  # 4
        "steps: 1000\n"
        "clams: []\n"  # 6
        "base: {agent: ppo}\n"
        "arms:\n"
        "  a:\n"
        "    hparams: {gama: 0.9}\n"  # 10
        "  b: {agent: pppo}\n"  # 11
        "  c: {grid: {gamma: []}}\n"  # 12
        "  d: 3\n"  # 13
        "  a: {}\n"  # 14
        "  e: {wrappers: [.nan]}\n"  # 15
        "claims:\n"
        "  - a > a by final\n"  # 17
        "  - a > z by final\n"  # 18
        "  - a > d by final\n"  # right, but for what is wrong with d
        "report: {baseline: c}\n"
    )

    assert sorted({line for line, _ in found}) == [3, 4, 6, 10, 11, 12, 13, 14, 15, 17, 18]


def test_what_follows_from_a_mistake_is_not_told_beside_it(problems):
    text = HEAD.replace("envs: [CartPole-v1, DeepSea-10]", "envs: 3") + "base: {agent: 3}\n"
    text += "arms: {a: {}, b: {hparams: 5}}\nclaims: [a > b by final]\n"

    assert {line for line, _ in problems(text)} == {3, 6, 7}


def test_a_wrong_hyperparameter_hides_nothing_else_that_is_wrong_with_its_arm(problems):
    found = problems(
        HEAD + "arms: {a: {agent: sac, wrappers: [goal_observation], hparams: {gama: 1}}}\n"
    )

    assert {key for _, key in found} == {"arms.a.agent", "arms.a.wrappers", "arms.a.hparams.gama"}


def test_a_budget_that_holds_no_update_is_refused_before_training(problems):
    found = problems(HEAD + "arms: {a: {agent: ppo, steps: 100}}\n")

    assert any("hold no update" in message for message in found.values())


def test_an_agent_that_needs_goals_is_refused_where_none_are_observed(problems, expand):
    head = "name: test\nquestion: Does it?\nenvs: [PushPose-v0]\nseeds: 2\nsteps: 2_000\n"
    found = problems(head + "arms: {a: {agent: sac_her}}\n")

    [(key, message)] = [(key, text) for (_, key), text in found.items()]
    assert key == "arms.a.agent" and "goal_observation" in message
    assert expand(head + "arms: {a: {agent: sac_her, wrappers: [goal_observation]}}\n").runs


def test_a_key_depends_on_what_decides_the_outcome_and_on_nothing_else(expand):
    spec = expand(HEAD + "arms: {a: {agent: ppo}}\n").runs[0]
    same = expand(
        HEAD.replace("name: test", "name: other").replace("2\n", "5\n", 1)
        + "base: {agent: ppo}\narms: {first: {hparams: {gamma: 0.98}}}\n"
    ).runs[0]
    changes = [
        {"seed": 7},
        {"steps": 4_001},
        {"agent_version": 99},
        {"card": {**spec.card, "version": 99}},
        {"hparams": {**spec.hparams, "gamma": 0.5}},
        {"evaluation": spec.evaluation.model_copy(update={"every": 7})},
        {"engine": spec.engine.model_copy(update={"threads": 2})},
        {"wrappers": ({"name": "sticky_actions"},)},
    ]

    assert spec.hparams["gamma"] == 0.98  # the shipped value: spelling it out changes nothing
    assert same.key == spec.key
    keys = [spec.model_copy(update=change).key for change in changes]
    assert len({spec.key, *keys}) == len(changes) + 1


def test_a_spec_survives_its_file(expand):
    spec = expand(HEAD + "arms: {a: {agent: ppo}}\n").runs[0]

    again = type(spec).model_validate(json.loads(spec.model_dump_json()))

    assert again == spec
    assert again.key == spec.key


def test_a_run_that_two_arms_share_is_trained_once(expand):
    runs = list(expand(HEAD + "arms: {a: {agent: ppo}}\n").runs)
    again = [run.model_copy(update={"arm": "b"}) for run in runs]

    assert in_order([*runs, *again]) == in_order(runs)


# A sweep's file has one dot in its name; <sweep>.checklist.yaml is no sweep.
SHIPPED = sorted(path for path in shipped("ablations").glob("*.yaml") if "." not in path.stem)


@pytest.mark.slow  # test_run_keys.py expands each in every test run
@pytest.mark.parametrize("path", SHIPPED, ids=lambda p: p.stem)
def test_every_shipped_ablation_expands(path):
    found = expand_file(path).sweep

    assert found.name == path.stem
    assert found.runs
    assert path.read_text().startswith(
        "# yaml-language-server: $schema=../configs/schema/sweep.json"
    )


CLAIMED = HEAD + "arms: {a: {agent: ppo}, b: {agent: random}}\nclaims: [a > b by final]\n"


def test_a_claim_that_no_outcome_could_support_is_refused_and_overriding_it_is_recorded(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(CLAIMED)

    with pytest.raises(UserError) as caught:
        expand_file(path)

    (problem,) = caught.value.problems
    assert (problem.line, problem.key) == (7, "claims.0")
    assert "2 seeds on 2 environments give no interval" in problem.message
    expansion = expand_file(path, anyway=True)
    (recorded,) = expansion.sweep.anyway
    assert recorded.startswith("a > b by final: 2 seeds on 2 environments")
    assert list(expansion.origins()), "settings can be looked at all the same"


def test_a_claim_about_an_arm_where_it_is_not_trained_is_refused(problems):
    text = CLAIMED.replace("{agent: random}", "{agent: random, envs: [DeepSea-10]}")

    found = problems(text.replace("seeds: 2", "seeds: 10").replace("by", "on CartPole-v1 by"))

    assert "b is not trained on CartPole-v1" in found[7, "claims.0"]


def test_what_was_changed_after_a_report_is_written_down(expand, tmp_path):
    store, text = Store(tmp_path / "results"), CLAIMED.replace("seeds: 2", "seeds: 6")
    keep(expand(text), store)
    keep(expand(text.replace("seeds: 6", "seeds: 7")), store)
    report = store.sweep_folder("test") / "report"
    report.mkdir()
    (report / "report.md").touch()
    keep(expand(text.replace("seeds: 6", "seeds: 8")), store)

    history = [(len(line["seeds"]), line["reported"]) for line in store.history("test").rows]
    assert history == [(6, False), (7, False), (8, True)]
    assert store.history("test").rows[0]["claims"] == ["a > b by final"]


def test_an_arm_may_say_what_it_is_made_of_and_a_design_says_it_by_itself(expand):
    arms = "arms: {a: {agent: ppo, components: [y, x]}, b: {agent: random, components: []}, "
    assert expand(HEAD + arms + "c: {agent: dqn}}\n").components == {"a": ("x", "y"), "b": ()}
    parts = "components: {x: {with: {hparams: {gamma: 0.9}}}, y: {with: {hparams: {n_epochs: 3}}}}"
    found = expand(HEAD + f"base: {{agent: ppo}}\ndesign: leave_one_out\n{parts}\n")
    assert found.components == {"full": ("x", "y"), "no_x": ("y",), "no_y": ("x",)}


@pytest.mark.parametrize(
    ("arms", "line", "who"),
    [
        (["a: {agent: ppo, components: [x, y]}", "b: {agent: dqn, components: [y, x]}"], 8, "a b"),
        (["a: {agent: ppo, components: []}", "b: {agent: dqn, components: []}"], 8, "a b"),
        (
            ["a: {agent: ppo, components: [x], grid: {gamma: [0.9, 0.8]}}", "b: {agent: dqn}"],
            7,
            "a[gamma=0.9] a[gamma=0.8]",
        ),
    ],
    ids=["in another order", "none at all", "a grid"],
)
def test_two_arms_with_the_same_components_are_refused_at_their_line(problems, arms, line, who):
    ((place, message),) = problems(HEAD + "arms:\n  " + "\n  ".join(arms) + "\n").items()
    assert place == (line, f"arms.{arms[line - 7][0]}.components")
    first, second = who.split()
    assert message.startswith(f"'{first}' and '{second}' have the same components")


def test_a_design_beside_an_arm_with_the_same_components_is_refused_at_the_arm(problems):
    text = (
        "base: {agent: ppo}\narms: {a: {agent: dqn, components: [x]}}\n"
        "design: one_in\ncomponents: {x: {with: {hparams: {gamma: 0.9}}}}\n"
    )
    assert [key for _, key in problems(HEAD + text)] == ["arms.a.components"]


def test_arms_that_share_no_environment_may_have_the_same_components(expand):
    arms = (
        "arms: {a: {agent: ppo, components: [x], envs: [CartPole-v1]}, "
        "b: {agent: ppo, components: [x], envs: [DeepSea-10]}}\n"
    )
    assert expand(HEAD + arms).components == {"a": ("x",), "b": ("x",)}
