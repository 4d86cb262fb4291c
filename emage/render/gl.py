"""What both renderers know of OpenGL on this machine."""

import threading

INSTALL = "sudo apt-get install -y libegl1 libgl1 libgl1-mesa-dri"
"""Debian and Ubuntu: the loaders of EGL and OpenGL, and Mesa's drivers with llvmpipe, which needs no graphics card."""

EGL_LOCK = threading.Lock()
"""Held while a context is made or given back: EGL's display is one for the whole process."""
