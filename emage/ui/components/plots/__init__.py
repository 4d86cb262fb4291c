"""Takes over time, and takes in numbers. See `Plots` and `tabulate_metrics`."""

from emage.ui.components.plots.metrics import build_metrics_table, describe_metrics, tabulate_metrics
from emage.ui.components.plots.plots import Plots
from emage.ui.components.plots.value import MAX_TAKES

__all__ = ["MAX_TAKES", "Plots", "build_metrics_table", "describe_metrics", "tabulate_metrics"]
