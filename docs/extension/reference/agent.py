"""A page for each learner, and one that lists every agent and what each bonus adds."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import baselines
from baselines import AGENTS, BONUSES, OBSERVATIONS, Entry, takes
from extension.reference import hparam
from extension.reference.listing import listing
from extension.reference.markdown import (
    code,
    docstring,
    facts,
    listed,
    page,
    prose,
    sentence,
    table,
)
from extension.reference.paper import papers
from harness.config import strict
from harness.config.shipped import shipped
from harness.setting import AgentFile, own_defaults, search_space


def pages() -> dict[str, str]:
    links = {name: f"agents/{baselines.split(name)[0]}.md" for name in listing("agents").names}
    toctree = "\n".join(f"agents/{name}" for name in AGENTS)
    overview = page(
        "# Agents",
        "A learner that takes bonuses makes an agent with each of them: `ppo_rnd` is `ppo` with "
        "the bonus `rnd`. [Your own](../own.md#agents) is named by `module:Class`.",
        listing("agents").table(links),
        f"```{{toctree}}\n:hidden:\n\n{toctree}\n```",
    )
    return {
        "agents": overview,
        **{f"agents/{name}": _page(name, each) for name, each in AGENTS.items()},
        "bonuses": _bonuses(),
    }


def _page(name: str, entry: Entry) -> str:
    learner = entry.load()
    algorithm = getattr(learner, "algorithm", object)
    said = hparam.meanings(learner.Config, algorithm)
    own = own_defaults(name)
    space = {key: one for key, (one, _) in search_space(name).items()}
    return page(
        f"# {name}",
        sentence(entry.summary),
        facts(_facts(name, entry)),
        *_hyper_parameters(own, said),
        *_shipped(name),
        *(["## Search space", _TUNE.format(name=name), hparam.search(space)] if space else []),
        *_with_bonuses(name),
    )


_TUNE = "What `harness tune --agent {name} --env ENV` tries."


def _hyper_parameters(own: dict[str, object], said: dict[str, str]) -> list[str]:
    title = "## Hyper-parameters"
    return [title, hparam.defaults(own, said) if own else "It has none."]


def _facts(name: str, entry: Entry) -> Iterator[tuple[str, str]]:
    yield "actions", prose(", ".join(entry.actions))
    yield "observations", prose("; ".join(OBSERVATIONS[each] for each in entry.observations))
    if entry.envs:
        yield (
            "only in",
            ", ".join(f"[{env}](../environments.md#env-{_slug(env)})" for env in entry.envs),
        )
    engines = ["sb3", *(["lockstep"] if entry.lockstep else [])]
    if entry.learns:
        yield "engines", listed(engines, "and")
    bonuses = [bonus for bonus in BONUSES if takes(name, bonus)]
    if bonuses:
        yield "bonuses", ", ".join(f"[`{each}`](../bonuses.md#bonus-{each})" for each in bonuses)
    yield "code", code(entry.target)
    yield from (("paper", line) for line in papers(f"agent:{name}"))


def _slug(env: str) -> str:
    return env.lower()


def _shipped(name: str) -> Iterator[str]:
    """What configs/agents departs from the defaults, for the learner and with each bonus."""
    for agent in [name, *(baselines.name(name, each) for each in BONUSES if takes(name, each))]:
        path = shipped("configs/agents") / f"{agent}.yaml"
        if not path.is_file():
            continue
        file = strict.read(path, AgentFile)
        if agent == name:
            yield "## Settings that ship"
        else:
            yield f"### {agent}"
        yield f"`configs/agents/{agent}.yaml`: {sentence(file.source or 'changes per environment')}"
        if file.default:
            yield f"In every environment: {hparam.changes(file.default)}."
        if file.envs:
            yield table(("environment", "changes", "source", "tuned on"), _tuned(file))


def _tuned(file: AgentFile) -> Iterator[tuple[str, ...]]:
    for env, tuned in file.envs.items():
        said = hparam.changes(tuned.hparams)
        if tuned.with_bonus:
            said += f"; with a bonus also {hparam.changes(tuned.with_bonus)}"
        on = ", ".join(map(code, tuned.tuned_on)) or "none"
        yield code(env), said or "none", prose(tuned.source), on


def _with_bonuses(name: str) -> Iterator[str]:
    """What every bonus adds to the learner's hyper-parameters."""
    bonuses = [bonus for bonus in BONUSES if takes(name, bonus)]
    if not bonuses:
        return
    own = own_defaults(name)
    shared: dict[str, Any] = {}
    said: dict[str, str] = {}
    for bonus in bonuses:
        kind, agent = baselines.load_bonus(bonus), baselines.name(name, bonus)
        said |= hparam.meanings(baselines.entry(agent).load().Config)
        departing = own_defaults(agent).items()
        shared |= {
            key: value
            for key, value in departing
            if key not in own and key not in kind.Config.model_fields
        }
    agents = listed((baselines.name(name, bonus) for bonus in bonuses), "and")
    yield "## With a bonus"
    yield f"{agents} have these too, beside those of the [bonus](../bonuses.md):"
    yield hparam.defaults(shared, said)


def _bonuses() -> str:
    links = {name: f"#bonus-{name}" for name in BONUSES}
    return page(
        "# Bonuses",
        "Exploration bonuses: `bonus: rnd` in an arm, or the name of the learner with it, "
        "`agent: ppo_rnd`. [Your own](../own.md#bonuses) is named by `module:Class`.",
        listing("bonuses").table(links),
        *(_bonus(name) for name in BONUSES),
    )


def _bonus(name: str) -> str:
    kind = baselines.load_bonus(name)
    learners = (f"[`{each}`](agents/{each}.md)" for each in AGENTS if takes(each, name))
    rows = [
        ("computed from", baselines.REACHES[kind.reach]),
        ("learners", ", ".join(learners)),
        ("actions", prose(", ".join(kind.actions))),
        ("observations", prose("; ".join(OBSERVATIONS[each] for each in kind.observations))),
        ("code", code(BONUSES[name])),
        *(("paper", line) for line in papers(f"bonus:{name}")),
    ]
    own = kind.Config().model_dump(mode="json")
    about = docstring(import_module(kind.__module__))
    return page(
        f"(bonus-{name})=\n## {name}",
        about,
        facts(rows),
        hparam.defaults(own, hparam.meanings(kind.Config)) if own else "",
    ).rstrip()
