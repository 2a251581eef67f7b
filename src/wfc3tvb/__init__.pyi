"""The public names: the one list of them, which type checkers read and the package imports from.

A line is ``from <module> import <name there> as <public name>``. No public name may be that of a module or room beside
this file, since importing the module would put it in the place of the name; except `survey`, a room that can be called.
"""

from wfc3tvb import errors as errors
from wfc3tvb.archive.source import open_source as open_archive
from wfc3tvb.calibration.crcorr.fit import RampFit as RampFit
from wfc3tvb.calibration.crcorr.fit import fit_ramps as fit_ramps
from wfc3tvb.calibration.likelihood.fit import fit_ramps_optimal as fit_ramps_optimal
from wfc3tvb.calibration.likelihood.model import OptimalFit as OptimalFit
from wfc3tvb.calibration.likelihood.model import OptimalSettings as OptimalSettings
from wfc3tvb.catalog.catalog import Catalog as Catalog
from wfc3tvb.catalog.catalog import open_catalog as open_catalog
from wfc3tvb.catalog.column_list import columns as columns
from wfc3tvb.catalog.curves import Curves as Curves
from wfc3tvb.catalog.curves import curves as curves
from wfc3tvb.catalog.export import read_table as read_table
from wfc3tvb.catalog.export import write_table as write_table
from wfc3tvb.config import MeasureSettings as MeasureSettings
from wfc3tvb.config import Selection as Selection
from wfc3tvb.config import Services as Services
from wfc3tvb.engines.calibrate import CalResult as CalResult
from wfc3tvb.engines.calibrate import calibrate as calibrate
from wfc3tvb.errors import TvbError as TvbError
from wfc3tvb.fits.images import Picture as Picture
from wfc3tvb.fits.images import read_drz as read_drz
from wfc3tvb.fits.images import read_flt as read_flt
from wfc3tvb.loopback.faults import Faults as Faults
from wfc3tvb.loopback.server import serve as serve_archive
from wfc3tvb.measurement import measure as measure
from wfc3tvb.models import Measurement as Measurement
from wfc3tvb.parallel.workers import Workers as Workers
from wfc3tvb.repair.astrodrizzle import DrizzleProcess as DrizzleProcess
from wfc3tvb.repair.astrodrizzle import DrizzleSettings as DrizzleSettings
from wfc3tvb.repair.astrodrizzle import drizzle as drizzle
from wfc3tvb.repair.flatten_ramp import FlattenedRamp as FlattenedRamp
from wfc3tvb.repair.flatten_ramp import flatten_ramp as flatten_ramp
from wfc3tvb.repair.model import ReprocessSettings as ReprocessSettings
from wfc3tvb.repair.reprocess import ReprocessReport as ReprocessReport
from wfc3tvb.repair.reprocess import reprocess as reprocess
from wfc3tvb.report.exposure_figures import plot as plot
from wfc3tvb.report.repair_figures import repair_figures as repair_figures
from wfc3tvb.report.sentences import why as explain
from wfc3tvb.simulate.catalog import simulate_catalog as simulate_catalog
from wfc3tvb.simulate.result import SimulatedVisit as SimulatedVisit
from wfc3tvb.simulate.visit import simulate as simulate_visit
from wfc3tvb.survey.survey import SurveyReport as SurveyReport
from wfc3tvb.survey.survey import survey as run_survey
from wfc3tvb.survey.survey import survey as survey

__version__: str
__all__ = [
    "CalResult",
    "Catalog",
    "Curves",
    "DrizzleProcess",
    "DrizzleSettings",
    "Faults",
    "FlattenedRamp",
    "MeasureSettings",
    "Measurement",
    "OptimalFit",
    "OptimalSettings",
    "Picture",
    "RampFit",
    "ReprocessReport",
    "ReprocessSettings",
    "Selection",
    "Services",
    "SimulatedVisit",
    "SurveyReport",
    "TvbError",
    "Workers",
    "__version__",
    "calibrate",
    "columns",
    "curves",
    "drizzle",
    "errors",
    "explain",
    "fit_ramps",
    "fit_ramps_optimal",
    "flatten_ramp",
    "measure",
    "open_archive",
    "open_catalog",
    "plot",
    "read_drz",
    "read_flt",
    "read_table",
    "repair_figures",
    "reprocess",
    "run_survey",
    "serve_archive",
    "simulate_catalog",
    "simulate_visit",
    "survey",
    "write_table",
]
