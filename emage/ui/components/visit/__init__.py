"""What lets a page find its session again. See `Visit`."""

from emage.ui.components.visit.visit import ALIVE, READ_STORED_JS, STORE_JS, Stored, Visit

__all__ = ["ALIVE", "READ_STORED_JS", "STORE_JS", "Stored", "Visit"]
