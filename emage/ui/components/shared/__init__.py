"""What the components share: their base class, names of the parts, and files for the browser."""

from emage.ui.components.shared.component import PART_LABELS, Component

__all__ = ["PART_LABELS", "Component"]
