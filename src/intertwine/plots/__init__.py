"""Pictures of a fitted model, each with the data behind it as a frame.

Every display follows scikit-learn's convention: ``from_estimator`` (or ``from_predictions``, ``from_frame``)
computes and draws, ``plot(ax)`` draws again, ``ax_`` and ``figure_`` are what was drawn on. matplotlib is
imported on drawing only.
"""

from intertwine.plots._style import DARK, LIGHT, Palette
from intertwine.plots.activity import ErrorByActivityDisplay
from intertwine.plots.basis import BasisDisplay
from intertwine.plots.calibration import CalibrationDisplay, ObservedPredictedDisplay
from intertwine.plots.caterpillar import RandomEffectsDisplay
from intertwine.plots.convergence import ConvergenceDisplay
from intertwine.plots.covariate_effects import CovariateEffectsDisplay
from intertwine.plots.coverage import CoverageDisplay
from intertwine.plots.effect_map import EffectMapDisplay
from intertwine.plots.expert_map import ExpertMapDisplay
from intertwine.plots.forest import InteractionForestDisplay
from intertwine.plots.heatmap import InteractionHeatmapDisplay
from intertwine.plots.item_map import ItemMapDisplay
from intertwine.plots.latent_map import LatentMapDisplay
from intertwine.plots.latents import LatentsDisplay
from intertwine.plots.path import CoefficientPathDisplay, PathDisplay
from intertwine.plots.shrinkage import ShrinkageDisplay
from intertwine.plots.surface import InteractionSurfaceDisplay
from intertwine.plots.survival import SurvivalCurvesDisplay
from intertwine.plots.trace import TraceDisplay
from intertwine.plots.trajectories import TrajectoriesDisplay
from intertwine.plots.variance_shares import VarianceSharesDisplay
from intertwine.plots.visits import VisitsDisplay

__all__ = [
    "DARK",
    "LIGHT",
    "BasisDisplay",
    "CalibrationDisplay",
    "CoefficientPathDisplay",
    "ConvergenceDisplay",
    "CovariateEffectsDisplay",
    "CoverageDisplay",
    "EffectMapDisplay",
    "ErrorByActivityDisplay",
    "ExpertMapDisplay",
    "InteractionForestDisplay",
    "InteractionHeatmapDisplay",
    "InteractionSurfaceDisplay",
    "ItemMapDisplay",
    "LatentMapDisplay",
    "LatentsDisplay",
    "ObservedPredictedDisplay",
    "Palette",
    "PathDisplay",
    "RandomEffectsDisplay",
    "ShrinkageDisplay",
    "SurvivalCurvesDisplay",
    "TraceDisplay",
    "TrajectoriesDisplay",
    "VarianceSharesDisplay",
    "VisitsDisplay",
]
