"""No agent changes unseen: neither what it learns, nor the sources that it is made of."""

from __future__ import annotations

import re

import golden
import pytest
from golden import LEARNERS, Golden
from tiny import each

ROWS = golden.read()["agents"]
# One of each kind in every test run; all of them take some 20 s.
KINDS = {"ppo", "dqn", "recurrent_ppo", "ppo_rnd", "dqn_rnd", "sac_her", "world_model", "dreamer"}
KINDS |= {"tabular_q", "pusher", *golden.TWINS} - {"sac (lockstep)"}  # slow to compile


@pytest.mark.parametrize("agent", LEARNERS)
def test_sources_do_not_change_without_a_golden_run_or_a_raised_version(agent):
    assert golden.stale(agent, ROWS.get(agent), LEARNERS[agent].version) == ""


def test_every_golden_run_is_of_an_agent():
    assert set(ROWS) <= set(LEARNERS)


@pytest.mark.parametrize("agent", each(LEARNERS, slow=set(LEARNERS) - KINDS))
def test_on_a_platform_that_is_recorded_the_bits_agree(agent):
    row, platform = ROWS[agent], golden.name_of(golden.here(agent))
    if platform not in row["bits"] or row["version"] != LEARNERS[agent].version:
        pytest.skip("not recorded for this platform and version: see golden.py")

    found = golden.run(agent)

    assert found.hparams == row["hparams"]
    assert found.bits == row["bits"][platform]
    assert found.sources == row["sources"]


# The file -----------------------------------------------------------------------------------------


def row(**more):
    sources = {"baselines/api.py": golden._digest("baselines/api.py")}
    return {"version": 2, "hparams": "h", "sources": sources, "bits": {"p": "1", "q": "2"}} | more


@pytest.mark.parametrize(
    ("before", "version", "words"),
    [
        (row(), 2, ""),
        (row(sources={"baselines/api.py": "0"}), 2, "changed since .*: baselines/api.py; python"),
        (row(sources={"baselines/no.py": "0"}), 2, "changed since .*: baselines/no.py; python"),
        (row(sources={"baselines/api.py": "0"}), 3, ""),
        (row(), 1, "ppo is version 1, and was version 2"),
        (None, 1, "ppo has no golden run: python tests/support/golden.py ppo"),
    ],
)
def test_what_makes_a_golden_run_stale(before, version, words):
    assert re.fullmatch(f"{words}.*" if words else "", golden.stale("ppo", before, version))


@pytest.mark.parametrize(
    ("version", "found", "bits"),
    [
        (2, Golden("h", {"baselines/api.py": "new"}, "1"), {"p": "1", "q": "2"}),
        (3, Golden("h", {"baselines/api.py": "new"}, "9"), {"p": "9"}),
        (2, Golden("other", {"baselines/api.py": "new"}, "9"), {"p": "9"}),
    ],
)
def test_what_other_platforms_gave_is_kept_while_the_bits_here_stay(version, found, bits):
    assert golden.renew(row(), version, found, "p") == {
        "version": version, "hparams": found.hparams, "sources": found.sources, "bits": bits
    }  # fmt: skip


def test_a_new_platform_keeps_the_others_while_the_sources_stay():
    before = row()
    same, edited = before["sources"], {"baselines/api.py": "new"}

    assert golden.renew(before, 2, Golden("h", same, "3"), "r")["bits"] == before["bits"] | {
        "r": "3"
    }
    assert golden.renew(before, 2, Golden("h", edited, "3"), "r")["bits"] == {"r": "3"}


def test_bits_that_moved_without_a_raised_version_are_not_renewed():
    with pytest.raises(ValueError, match="raise its version"):
        golden.renew(row(), 2, Golden("h", {"baselines/api.py": "new"}, "9"), "p")
