"""Third-party JavaScript: what package-lock.json names, installed by npm and never copied into the tree."""

from emage.ui.web.install import JavaScriptError, folder, install_javascript, read

__all__ = ["JavaScriptError", "folder", "install_javascript", "read"]
