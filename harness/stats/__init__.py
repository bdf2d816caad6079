"""The statistics of a report: scores of shape (..., runs, tasks) in, estimates with intervals out.

A run, that is a seed, is what is resampled; an episode never is. The definitions are those of
rliable (Agarwal et al., 2021, "Deep RL at the edge of the statistical precipice"), whose numbers
the tests compare with ours. docs/statistics.md has the formulas and what was measured.
"""

from harness.stats.aggregate import AGGREGATES as AGGREGATES
from harness.stats.aggregate import Array as Array
from harness.stats.aggregate import Statistic as Statistic
from harness.stats.aggregate import curve_iqm as curve_iqm
from harness.stats.aggregate import iqm as iqm
from harness.stats.aggregate import mean as mean
from harness.stats.band import Band as Band
from harness.stats.band import band as band
from harness.stats.band import profile_band as profile_band
from harness.stats.calibration import CURVE_LINE as CURVE_LINE
from harness.stats.calibration import DIFFERENCE as DIFFERENCE
from harness.stats.calibration import EFFECT as EFFECT
from harness.stats.calibration import FEW_SEEDS as FEW_SEEDS
from harness.stats.calibration import IMPROVEMENT as IMPROVEMENT
from harness.stats.calibration import LEAST as LEAST
from harness.stats.calibration import LEAST_STAMPED as LEAST_STAMPED
from harness.stats.calibration import MANY_RUNS as MANY_RUNS
from harness.stats.calibration import ONE_RUN as ONE_RUN
from harness.stats.calibration import PROFILE as PROFILE
from harness.stats.calibration import PROFILE_LINE as PROFILE_LINE
from harness.stats.calibration import SEEDS_FOR_A_RANGE as SEEDS_FOR_A_RANGE
from harness.stats.calibration import Coverage as Coverage
from harness.stats.calibration import gate as gate
from harness.stats.calibration import has_ends as has_ends
from harness.stats.calibration import has_interval as has_interval
from harness.stats.calibration import holds_lines as holds_lines
from harness.stats.calibration import summary as summary
from harness.stats.calibration import worst as worst
from harness.stats.component import Effect as Effect
from harness.stats.component import effects as effects
from harness.stats.component import path as path
from harness.stats.improvement import improvement as improvement
from harness.stats.permutation import ALPHA as ALPHA
from harness.stats.permutation import holm as holm
from harness.stats.permutation import permutation_p as permutation_p
from harness.stats.power import POWER as POWER
from harness.stats.power import abilities as abilities
from harness.stats.power import detectable as detectable
from harness.stats.public import Gap as Gap
from harness.stats.public import Public as Public
from harness.stats.public import gap as gap
from harness.stats.resample import BAND_RESAMPLES as BAND_RESAMPLES
from harness.stats.resample import RESAMPLES as RESAMPLES
from harness.stats.resample import generator as generator
from harness.stats.score import SCORES as SCORES
from harness.stats.score import Curve as Curve
from harness.stats.score import MissingRuns as MissingRuns
from harness.stats.score import RunId as RunId
from harness.stats.score import Scores as Scores
from harness.stats.score import curves as curves
from harness.stats.score import final as final
from harness.stats.score import normalise as normalise
from harness.stats.score import score_matrix as score_matrix
from harness.stats.subset import SEEDS_FOR_SUBSETS as SEEDS_FOR_SUBSETS
from harness.stats.subset import SUBSETS as SUBSETS
from harness.stats.subset import FewerSeeds as FewerSeeds
from harness.stats.subset import Studies as Studies
from harness.stats.subset import fewer_seeds as fewer_seeds
from harness.stats.subset import studies as studies
from harness.stats.subset import subsets as subsets
from harness.stats.uncertainty import LEVEL as LEVEL
from harness.stats.uncertainty import Estimate as Estimate
from harness.stats.uncertainty import Part as Part
from harness.stats.uncertainty import contrast as contrast
from harness.stats.uncertainty import difference as difference
from harness.stats.uncertainty import estimate as estimate
from harness.stats.uncertainty import estimate_arm as estimate_arm
from harness.stats.uncertainty import estimates as estimates
from harness.stats.uncertainty import percentile as percentile
from harness.stats.uncertainty import unavailable as unavailable
