"""Takes over time, and takes in numbers. See `Plots` and `MetricsTable`."""

from emage.ui.plots.plots import Plots
from emage.ui.plots.table import MetricsTable, metrics_table
from emage.ui.plots.value import MAX_TAKES, PlotsValue, PlotTake

__all__ = ["MAX_TAKES", "MetricsTable", "PlotTake", "Plots", "PlotsValue", "metrics_table"]
