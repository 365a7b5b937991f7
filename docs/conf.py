"""How Sphinx builds the documentation. `make docs` does; nothing is fetched for it."""

from __future__ import annotations

import interview_ext

project = "Interview Rooms for JupyterLab"
author = "the Interview Rooms for JupyterLab contributors"
copyright = f"2026, {author}"  # noqa: A001  (the name Sphinx reads)
release = interview_ext.__version__

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "pydata_sphinx_theme"
html_title = project
html_theme_options = {
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
