"""Environments by card: what a task is, what its scores mean, and how to build it."""

from harness.envs.build import breach as breach
from harness.envs.build import check as check
from harness.envs.build import first_step as first_step
from harness.envs.build import make as make
from harness.envs.build import unlike as unlike
from harness.envs.card import Card as Card
from harness.envs.card import Measure as Measure
from harness.envs.card import card as card
from harness.envs.card import card_names as card_names
from harness.envs.card import is_shipped as is_shipped
from harness.envs.extra import need as need
from harness.envs.visits import Counted as Counted
from harness.envs.visits import Visits as Visits
from harness.envs.wrappers import WRAPPERS as WRAPPERS
from harness.envs.wrappers import check_wrapper as check_wrapper
from harness.envs.wrappers import complete as complete
from harness.envs.wrappers import moved as moved
from harness.envs.wrappers import wrapper as wrapper
from harness.envs.wrappers.option import Env as Env
