"""Third-party JavaScript: what package-lock.json names, installed by npm and never copied into the tree."""

from emage.ui.web.install import install_javascript, read

__all__ = ["install_javascript", "read"]
