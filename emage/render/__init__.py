"""Rendering: bodies side by side, with hints grey and generated parts blue, as frames of a video."""

from emage.render.frames import check_renderer, frame_size, render_frames
from emage.render.scene import Actor
from emage.render_settings import CAMERAS, RENDERERS, RenderSettings

__all__ = ["CAMERAS", "RENDERERS", "Actor", "RenderSettings", "check_renderer", "frame_size", "render_frames"]
