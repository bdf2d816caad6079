"""What the harness asks of agents, environments and bonuses, asked of mine: `pytest`."""

from harness.testing import check_agent, check_bonus, check_env


def test_my_environment():
    check_env("corridor")


def test_my_agent():
    # It estimates no values, so it cannot bootstrap through truncation.
    check_agent("my_agent:HillClimber", "corridor", steps=300, bootstraps=False)


def test_my_bonus():
    check_bonus("my_bonus:Novelty", "corridor")
