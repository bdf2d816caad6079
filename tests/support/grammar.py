"""What a user may write: the grammar of sweeps, searches, cards, agent files and options.

Each strategy starts from something that is right and breaks it in up to four places, so that what
is drawn gets past the first check that it meets.
"""

from __future__ import annotations

import copy
import json
import os
from typing import Any

from hypothesis import strategies as st

SWEEP: dict[str, Any] = {
    "name": "drawn",
    "question": "Does it?",
    "envs": ["CartPole-v1", "DeepSea-10"],
    "seeds": 6,
    "steps": {"CartPole-v1": 20_000, "DeepSea-10": 20_000},
    "evaluation": {"every": 10_000, "episodes": 2, "final_episodes": 3, "deterministic": True},
    "engine": {"threads": 1, "device": "cpu"},
    "base": {"agent": "ppo", "hparams": {"policy_kwargs": {"net_arch": [8]}}},
    "arms": {
        "a": {},
        "b": {
            "hparams": {"gamma": 0.9},
            "wrappers": ["sticky_actions", {"name": "noisy_tv", "numbers": 4}],
            "components": ["x"],
        },
        "c": {"grid": {"gamma": [0.8, 0.7], "n_epochs": [2, 3]}, "envs": ["CartPole-v1"]},
        "d": {"agent": "dqn", "steps": {"CartPole-v1": 30_000}},
    },
    "claims": ["b > a by final", "a > d on CartPole-v1 by auc"],
    "report": {"baseline": "a", "scores": ["final"], "metrics": ["rollout/remote"]},
}
DESIGN: dict[str, Any] = {
    **{key: SWEEP[key] for key in ("name", "question", "envs", "seeds", "base")},
    "steps": 20_000,
    "design": "leave_one_out",
    "components": {
        "x": {"with": {"hparams": {"gamma": 0.9}}, "without": {"hparams": {"gamma": 0.8}}},
        "y": {"with": {"hparams": {"n_epochs": 3}}},
    },
    "claims": ["full > no_x by final"],
}
LOOKS: dict[str, Any] = {
    **{key: value for key, value in DESIGN.items() if key != "seeds"},
    "decide": {"first": 6, "block": 4, "cap": 30, "reserve": 0.2, "beyond": 38},
}
SEARCH: dict[str, Any] = {
    "name": "drawn",
    "question": "Which?",
    "envs": ["CartPole-v1"],
    "steps": 20_000,
    "arms": {
        "ppo": {
            "agent": "ppo",
            "space": {
                "gamma": {"why": "x", "low": 0.9, "high": 0.999, "log": True, "one_minus": True},
                "n_epochs": {"why": "x", "low": 1, "high": 20},
                "batch_size": {"why": "x", "low": 16, "high": 256, "powers_of": 2},
                "vf_coef": {"why": "x", "low": 0.25, "high": 1.0, "step": 0.25},
                "normalize_advantage": {"why": "x", "choices": [True, False]},
            },
            "only": ["gamma", "n_epochs", "batch_size"],
        }
    },
    "default": "shipped",
    "seeds": 6,
    "seed": 0,
    "value": "mean - 1.0*se",
    "sampler": "tpe",
    "pruner": {"name": "wilcoxon", "p": 0.1, "first": 4},
    "batch": 4,
    "budget": {"trials": 10},
    "confirm": {"top": 2, "seeds": 2, "test_seeds": 2, "path_seeds": 0, "noise_runs": 0},
}
CARD: dict[str, Any] = {
    "summary": "A task.",
    "id": "CartPole-v1",
    "version": 1,
    "kwargs": {"sutton_barto_reward": True},
    "wrappers": [{"name": "time_aware"}],
    "variants": {"train": [{"attributes": {"length": 0.5}}], "test": [{"layouts": [0, 5]}]},
    "max_episode_steps": 500,
    "actions": "discrete",
    "null_action": 0,
    "anchors": {
        "random": {"score": 20, "standard_error": 1.0, "episodes": 1000, "source": "measured"},
        "reference": {"score": 500, "source": "the limit"},
    },
    "measures": {"success": {"name": "success", "unit": "", "factor": 1.0}},
    "extra": "mujoco",
    "sizes": [],
}
AGENT_FILE: dict[str, Any] = {
    "source": "measured",
    "default": {"gamma": 0.9},
    "envs": {
        "CartPole-*": {
            "source": "measured",
            "tuned_on": ["CartPole-v1"],
            "hparams": {"n_steps": 32},
        }
    },
    "search": {"gamma": {"why": "x", "low": 0.9, "high": 0.99}, "n_epochs": None},
    "search_like": "ppo",
}

NAMES = [
    "", " ", ".", "..", "-x", "--help", "a/b", "../x", "/etc/passwd", "a\nb", "a\x00b", "\x1b[31m",
    "\ud800", "naïve", "🙂", "[bold]x[/]", "x" * 300, "con", "null", "a b", "a > b", "a[x=1]", "#",
    "CartPole-v1", "DeepSea-10", "DeepSea-100000000", "DeepSea-N", "ppo", "a", "gamma",
    "policy_kwargs.net_arch", "a..b", "from", "__class__", "json:loads", "%s", "{x}",
]  # fmt: skip
NUMBERS = [
    0, 1, -1, 2, 0.0, -0.5, 0.5, 1.0, 1e-300, 1e300, 1e30, 1e12, 10**9, 2**31, 2**63, 10**30,
    10**400, float("inf"), float("nan"),
]  # fmt: skip
CLAIMS = [
    "a > a by final", "a > b by final", "b > a by final", "a > b on CartPole-v1 by final",
    "b>a by final", "a > b", "a > b on X by final", "c > a by final", "a > zz by auc",
    "a > b by mean", "full > full by auc", "a ~ b by final", "a ~ b by auc within 0.5",
    "b ~ a by auc within 0.5", "a ~ a by final within 0.9", "a ~ b by final within x",
    "a > b by final within 0.1", "a ~ b by final within 1e-300", "a ~ b by final within nan",
]  # fmt: skip
ODD = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(NUMBERS),
    st.sampled_from(CLAIMS),
    st.sampled_from([None, True, False, [], {}, [[]], {"": {}}, [None], [0, 0], ["a", "a"]]),
    st.text(max_size=8),
    st.integers(),
    st.floats(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=6,
    ),
)


def places(tree: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a document, from the outside in."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree)
    found = [at] if at else []
    for key, value in inner:
        found += places(value, (*at, key)) if isinstance(value, dict | list) else [(*at, key)]
    return found


@st.composite
def broken(draw: st.DrawFn, right: dict[str, Any]) -> dict[str, Any]:
    """A document with up to four things wrong."""
    tree = copy.deepcopy(right)
    for _ in range(draw(st.integers(0, 4))):
        known = places(tree)
        if not known:
            break
        *outer, last = draw(st.sampled_from(known))
        inner = tree
        for part in outer:
            inner = inner[part]
        what = draw(st.sampled_from(["replace", "replace", "drop", "add", "again", "borrow"]))
        if what == "replace":
            inner[last] = copy.deepcopy(draw(ODD))
        elif what == "borrow":
            *way, end = draw(st.sampled_from(known))
            value: Any = tree
            for part in [*way, end]:
                value = value[part]
            inner[last] = copy.deepcopy(value)
        elif what == "drop":
            del inner[last]
        elif isinstance(inner, list):
            inner.append(
                copy.deepcopy(inner[last]) if what == "again" else copy.deepcopy(draw(ODD))
            )
        else:
            key = draw(st.sampled_from(NAMES) | st.sampled_from([str(p[-1]) for p in known]))
            inner[key] = copy.deepcopy(inner[last]) if what == "again" else copy.deepcopy(draw(ODD))
    return tree


# What YAML can do to a reader, put into a text at some place or wrapped around it.
SNIPPETS = [
    "<<: *x", "<<: {a: 1}", "!!python/object:os.system [x]", "!!binary aGk=", "!foo", "&x", "*x",
    "? [a, b]", "%YAML 1.1\n---\n", "---\n", "...\n", "\t", "\x00", "\ufeff", "\x85", "'", '"',
    "\n- ", ": ", "{", "[", "]", "}", "|\n", ">+\n", "#", "2018-01-01", ".inf", ".nan", "0x1F",
    "9" * 5000, "[" * 2000, "{a: " * 200, "- " * 2000, "? " * 300, "&a [*a]", "~: 1", "1: 2",
    "true: 1", "\\ud800", '"\\ud800"', '"\\0"', "1e400", "0o17", "1_000",
]  # fmt: skip


@st.composite
def texts(draw: st.DrawFn, right: dict[str, Any]) -> bytes:
    """A file: a document that is broken, and then text that is."""
    text = json.dumps(draw(broken(right)), indent=draw(st.sampled_from([None, 1])))
    raw = text.encode("utf-8", "surrogatepass")
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        place = draw(st.integers(0, len(raw)))
        what = draw(st.sampled_from(["insert", "insert", "insert", "cut", "noise", "drop"]))
        if what == "insert":
            snippet = draw(st.sampled_from(SNIPPETS)).encode("utf-8", "surrogatepass")
            raw = raw[:place] + snippet + raw[place:]
        elif what == "cut":
            raw = raw[:place]
        elif what == "drop":
            raw = raw[:place] + raw[place + draw(st.integers(1, 9)) :]
        else:
            raw = raw[:place] + draw(st.binary(max_size=6)) + raw[place:]
    return raw


def typed(word: str) -> bool:
    """Whether a command line can hold it: no NUL, and bytes that are no UTF-8 come as U+DC80 ..."""
    try:
        return b"\0" not in os.fsencode(word)
    except UnicodeEncodeError:
        return False


PAIRS = st.one_of(
    st.sampled_from(
        ["gamma=0.9", "gamma.x=1", "gamma.x.y=1", "=", "", "a", "a..b=1", ".=1", "gamma=",
         "seeds=3", "gamma=[", "gamma=.nan", "gamma=2018-01-01", "policy_kwargs.net_arch=[8]",
         "policy_kwargs=3", "policy_kwargs={}", "gamma=<<", "gamma=!!python/name:os.system",
         "gamma=" + "[" * 2000, "gamma=" + "9" * 5000, "gamma={1: 2}", "gamma={? [a]: 1}",
         "gamma=a: b: c", "gamma=&x [*x]", "from=x", "gamma=0.9\ngamma: 1", "gamma=\x07",
         "--x=1", "gamma==1", "n_steps=1e30", "batch_size=" + str(10**30)]
    ),
    st.text(max_size=12),
    st.tuples(st.sampled_from(NAMES), ODD).map(lambda pair: f"{pair[0]}={pair[1]}"),
).filter(typed)  # fmt: skip
WORDS = (
    st.sampled_from([*NAMES, *map(str, NUMBERS), "drawn", "drawn.yaml", "nowhere.yaml", "a\udcff"])
    | st.text(max_size=8)
).filter(typed)


@st.composite
def commands(draw: st.DrawFn) -> list[str]:
    """A command line. Nothing here trains or draws: the tests take that away."""

    def options(known: dict[str, st.SearchStrategy[str]]) -> list[str]:
        chosen = draw(st.lists(st.sampled_from(sorted(known)), max_size=3))
        return [word for name in chosen for word in (name, draw(known[name]))]

    results, whole = {"--results": WORDS}, {"--workers": WORDS}
    verb = draw(st.sampled_from(["check", "sweep", "run", "report", "status", "ls", "verify",
                                 "model-report", "tune"]))  # fmt: skip
    yaml = st.sampled_from(["{}", "[]", "3", "{name: sticky_actions}", "{every: 0}", "{x: 1}",
                            "{threads: 1e9}", "{device: gpu}", "[", "sticky_actions"])  # fmt: skip
    if verb in ("check", "sweep"):
        file = draw(st.sampled_from(["drawn.yaml", "drawn.yaml", "smoke"]) | WORDS)
        return [verb, file, *options({"--set": PAIRS, **results, **whole})]
    if verb == "run":
        agent = draw(st.sampled_from(["ppo", "random"]) | WORDS)
        env = draw(st.sampled_from(["CartPole-v1", "DeepSea-10"]) | WORDS)
        more = {"--seed": WORDS, "--steps": WORDS, "--set": PAIRS, "--wrapper": yaml | WORDS}
        more |= {"--evaluation": yaml | WORDS, "--engine": yaml | WORDS}
        return [verb, agent, env, *options({**more, **results})]
    if verb == "tune":
        more = {"--agent": WORDS, "--env": WORDS, "--steps": WORDS, "--trials": WORDS}
        given = draw(st.sampled_from([[], ["drawn.yaml"], ["search.yaml"]]))
        return [verb, *given, *options({**more, **results, **whole})]
    if verb == "ls":
        lists = ["agents", "envs", "ablations", "runs", "searches", "costs"]
        return [verb, draw(st.sampled_from(lists) | WORDS), *options(results)]
    if verb == "status":
        return [verb, *draw(st.lists(WORDS, max_size=1)), *options(results)]
    if verb == "report":
        return [verb, draw(WORDS), *options({"--style": WORDS, "--format": WORDS, **results})]
    if verb == "verify":
        return [verb, draw(WORDS), *options({"--sample": WORDS, "--seed": WORDS, **results})]
    return [verb, draw(WORDS), *options(results)]
