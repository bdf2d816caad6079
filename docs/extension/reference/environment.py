"""The page of environments, from their cards."""

from __future__ import annotations

from collections.abc import Iterator

from baselines.space import shown
from extension.reference.listing import listing
from extension.reference.markdown import code, facts, page, prose, sentence
from extension.reference.paper import papers
from harness import envs
from harness.envs import Card
from harness.spec import Anchor


def pages() -> dict[str, str]:
    links = {name: f"#env-{name.lower()}" for name in envs.card_names()}
    return {
        "environments": page(
            "# Environments",
            "Those with a card, which has the two scores that become 0 and 1: what the random "
            "policy gets, and a reference. Any other id that Gymnasium knows works too, and "
            "[your own](../own.md#environments-without-a-card).",
            listing("envs").table(links),
            *(_section(name) for name in envs.card_names()),
        )
    }


def _section(name: str) -> str:
    card = envs.card(name)
    return page(
        f"(env-{name.lower()})=\n## {name}", sentence(card.summary), facts(_facts(card))
    ).rstrip()


def _facts(card: Card) -> Iterator[tuple[str, str]]:
    env = envs.make(card)
    yield "observation", prose(shown(env.observation_space))
    if card.observation_names:
        yield "its dimensions", prose(", ".join(card.observation_names))
    yield "actions", prose(shown(env.action_space))
    env.close()
    made = card.id or card.entry_point or ""
    yield "made from", code(made) + (f" with {code(card.kwargs)}" if card.kwargs else "")
    if card.wrappers:
        yield "wrappers", ", ".join(map(_worn, card.wrappers))
    if card.variants is not None:
        train, test = len(card.variants.train), len(card.variants.test)
        yield "variants", f"{train} to train on, {test} to test on"
    yield "time limit", f"{card.max_episode_steps:,} steps" if card.max_episode_steps else "none"
    if not card.deterministic:
        yield "evaluated", "by sampling from the policy"
    yield from _anchors(card)
    if card.measures:
        yield "reported too", "; ".join(prose(str(each)) for each in card.measures.values())
    if card.extra:
        yield "extra", code(card.extra)
    yield from (("paper", line) for line in papers(f"env:{made}"))


def _worn(wrapper: dict[str, object]) -> str:
    options = {key: value for key, value in wrapper.items() if key != "name"}
    name = str(wrapper["name"])
    link = f"[`{name}`](wrappers.md#wrapper-{name})" if ":" not in name else code(name)
    return link + (f" {code(options)}" if options else "")


def _anchors(card: Card) -> Iterator[tuple[str, str]]:
    anchors = card.scale() or card.anchors
    if anchors is None:
        return
    yield "random policy", _anchor(anchors.random)
    if anchors.reference is not None:
        yield "reference", _anchor(anchors.reference)


def _anchor(anchor: Anchor) -> str:
    error = "" if anchor.standard_error is None else f" ± {anchor.standard_error:.2g}"
    return f"{anchor.score:.4g}{error}. {sentence(anchor.source)}"
