"""What a sweep claims: one sentence each, such as "rnd > ppo on DeepSea-20 by final"."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from harness.config.strict import Problems, suggest
from harness.spec import Claim

SCORES = ("final", "auc")
SENTENCE = re.compile(
    r"(?P<better>\S+) > (?P<worse>\S+?)(?: on (?P<env>\S+))? by (?P<score>\w+)", re.ASCII
)


def read(
    texts: Sequence[str],
    arms: Collection[str],
    envs: Collection[str],
    problems: Problems,
    metrics: Collection[str] = (),
) -> dict[int, Claim]:
    """The claims about these arms and environments that can be true together, by their place.

    :param metrics: scores of the user's own, by their names.
    """
    claims: dict[int, Claim] = {}
    for i, text in enumerate(texts):
        sentence = SENTENCE.fullmatch(text)
        if sentence is None:
            scores = "|".join((*SCORES, *metrics))
            message = f"'{text}' does not read 'A > B [on ENV] by {scores}'"
            problems.add(("claims", i), message)
            continue
        claim = Claim(text=text, **sentence.groupdict())
        if len(envs) == 1 and claim.env is None:  # nothing to average over, so to normalise
            claim = claim.model_copy(update={"env": next(iter(envs))})
        unknown = _unknown(claim, arms, envs, metrics)
        wrong = [*unknown, *_excluded(claim, claims.values())]
        for message in wrong:
            problems.add(("claims", i), message)
        if not wrong:
            claims[i] = claim
    return claims


def _unknown(
    claim: Claim, arms: Collection[str], envs: Collection[str], metrics: Collection[str]
) -> Iterable[str]:
    for arm in (claim.better, claim.worse):
        if arm not in arms:
            yield f"no arm '{arm}'.{suggest(arm, arms)}"
    if claim.env and claim.env not in envs:
        yield f"'{claim.env}' is not among `envs`.{suggest(claim.env, envs)}"
    if claim.score in metrics and claim.env is None:
        yield f"{claim.score} has no anchors to be averaged over environments by: add 'on ENV'"
    if claim.score not in (*SCORES, *metrics):
        yield f"no score '{claim.score}'.{suggest(claim.score, (*SCORES, *metrics))}"


def _excluded(claim: Claim, others: Iterable[Claim]) -> Iterable[str]:
    """Claims that can only be false, and those that would be counted twice."""
    if claim.better == claim.worse:
        yield f"'{claim.text}' compares an arm with itself: name two arms"
        return
    for other in others:
        if (claim.env, claim.score) != (other.env, other.score):
            continue
        if (claim.better, claim.worse) == (other.better, other.worse):
            yield f"'{claim.text}' stands there twice: drop one"
        if (claim.better, claim.worse) == (other.worse, other.better):
            yield f"'{claim.text}' and '{other.text}' exclude each other: keep the one you expect"
