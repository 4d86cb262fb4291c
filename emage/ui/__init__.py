"""The Gradio parts of the app; the only folder of the library that imports gradio."""
