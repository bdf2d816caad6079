"""What a sweep claims: one sentence each, such as "rnd > ppo on DeepSea-20 by final".

"no_warmup ~ rnd on DeepSea-20 by auc within 0.2": they are equal but for a fifth of the way from
the random policy to the reference.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from harness.config.name import joined
from harness.config.strict import Problems, suggest
from harness.spec import WORST_SCORE, Claim

SCORES = ("final", "auc")
OF_CLAIMS = (*SCORES, WORST_SCORE)
SENTENCE = re.compile(
    r"(?P<better>\S+) (?P<sign>[>~]) (?P<worse>\S+?)(?: on (?P<env>\S+))? by (?P<score>\w+)"
    r"(?: within (?P<margin>\S+))?",
    re.ASCII,
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
            by, within = "|".join((*OF_CLAIMS, *metrics)), "|".join(SCORES)
            message = f"'{text}' does not read 'A > B [on ENV] by {by}'"
            problems.add(("claims", i), f"{message}, or 'A ~ B [on ENV] by {within} within 0.2'")
            continue
        parts = sentence.groupdict()
        if wrong := _wrong_margin(text, parts.pop("sign"), parts["margin"]):
            problems.add(("claims", i), wrong)
            continue
        claim = Claim(text=text, **parts)
        if len(envs) == 1 and claim.env is None:  # nothing to average over, so to normalise
            claim = claim.model_copy(update={"env": next(iter(envs))})
        unknown = _unknown(claim, arms, envs, metrics)
        reasons = [*unknown, *_excluded(claim, claims.values())]
        for message in reasons:
            problems.add(("claims", i), message)
        if not reasons:
            claims[i] = claim
    return claims


def _wrong_margin(text: str, sign: str, margin: str | None) -> str:
    """What is wrong with `within MARGIN`; empty: nothing."""
    if margin is None:
        wanted = "'~' says that two arms are equal but for a margin: add 'within 0.2' to it"
        return f"'{text}': {wanted}" if sign == "~" else ""
    if sign == ">":
        return f"'{text}': a margin is for 'A ~ B': drop 'within {margin}', or write '~' for '>'"
    try:
        right = 0 < float(margin) < 1
    except ValueError:
        right = False
    scale = "0 is the random policy's score and 1 the reference's"
    return "" if right else f"'{text}': a margin lies between 0 and 1, where {scale}: 0.2"


def without_anchors(claim: Claim, envs: Collection[str], known: Collection[str]) -> str:
    """Why a margin of its scores would mean nothing; empty: it means something.

    :param known: the environments that have anchors.
    """
    if claim.margin is None:
        return ""
    gone = [env for env in ([claim.env] if claim.env else envs) if env not in known]
    if not gone:
        return ""
    return (
        f"'{claim.text}': a margin is of normalised scores, and no random and reference score is "
        f"known for {joined(gone)}: measure them (harness calibrate-env {gone[0]} --write), or "
        "compare by '>'"
    )


def _unknown(
    claim: Claim, arms: Collection[str], envs: Collection[str], metrics: Collection[str]
) -> Iterable[str]:
    for arm in (claim.better, claim.worse):
        if arm not in arms:
            yield f"no arm '{arm}'.{suggest(arm, arms)}"
    if claim.env and claim.env not in envs:
        yield f"'{claim.env}' is not among `envs`.{suggest(claim.env, envs)}"
    if claim.score in metrics and claim.margin is not None:
        known = " or ".join(SCORES)
        yield f"{claim.score} has no anchors, so no margin: by {known}, or 'A > B on ENV'"
    elif claim.score in metrics and claim.env is None:
        yield f"{claim.score} has no anchors to be averaged over environments by: add 'on ENV'"
    if claim.of_worst and claim.margin is not None:
        yield f"'{claim.text}': a margin is of means of all runs: by {' or '.join(SCORES)}"
    elif claim.of_worst and claim.env is None:
        yield f"'{claim.text}': the worst quarter is that of one environment: add 'on ENV'"
    if claim.score not in (*OF_CLAIMS, *metrics):
        yield f"no score '{claim.score}'.{suggest(claim.score, (*OF_CLAIMS, *metrics))}"


def _excluded(claim: Claim, others: Iterable[Claim]) -> Iterable[str]:
    """Claims that can only be false, and those that would be counted twice."""
    if claim.better == claim.worse:
        yield f"'{claim.text}' compares an arm with itself: name two arms"
        return
    for other in others:
        if (claim.env, claim.score, claim.margin) != (other.env, other.score, other.margin):
            continue
        turned = claim.arms == other.arms[::-1]
        if claim.arms == other.arms or (turned and claim.margin):
            yield f"'{claim.text}' stands there twice: drop one"
        elif turned:
            yield f"'{claim.text}' and '{other.text}' exclude each other: keep the one you expect"
