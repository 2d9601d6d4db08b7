"""Settings of the documentation builder."""

project = "bayescale"
author = "The bayescale developers"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
]
html_theme = "furo"
html_title = "bayescale"
html_static_path = ["static"]
html_css_files = ["tables.css"]
html_show_copyright = False
myst_enable_extensions = ["deflist", "dollarmath"]
nb_execution_mode = "force"
nb_execution_timeout = 300
nb_execution_raise_on_error = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_default_options = {"no-value": True}  # a registry as text is too long
napoleon_google_docstring = False
exclude_patterns = ["_build"]
