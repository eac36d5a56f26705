"""How the site is built: ``sphinx-build -W -n -b html docs docs/_build/html``."""

import inspect
import os
import urllib.request
from pathlib import Path
from typing import Any

import fastdnn

DOCS = Path(__file__).resolve().parent
PHOTOGRAPHS = Path(os.environ.get("FASTDNN_DATA", DOCS / "datasets"))

project = "fastdnn"
author = "The fastdnn developers"
copyright = author
version = release = fastdnn.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "_templates", "examples", "gallery/*.md5", "gallery/*.json"]
templates_path = ["_templates"]
default_role = "autolink"
highlight_language = "none"  # equations are no program

# ------------------------------------------------------------------------------------------- pages

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = "fastdnn"
html_extra_path = ["llms.txt"]
html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
# a list of pages only where a page has several others beside it
_ALONE = ("index", "course", "estimators", "network", "speed", "benchmarks", "changelog")
html_sidebars: dict[str, list[str]] = {name: [] for name in (*_ALONE, "contributing")}
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": False,
}

# --------------------------------------------------------------------------------------- reference

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say them
toc_object_entries_show_parents = "hide"
autodoc_default_options = {"member-order": "bysource"}
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False


def skip(app: Any, what: str, name: str, member: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out what a class has from scikit-learn, and what is private."""
    function = member.fget if isinstance(member, property) else inspect.unwrap(member)
    of = getattr(function, "__module__", None) or ""
    return None if of.startswith("fastdnn") else True


# ----------------------------------------------------------------------------------------- gallery

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "abort_on_example_error": True,
    # the course's photographs are its own
    "ignore_pattern": (
        "__init__" if (PHOTOGRAPHS / "train_catvnoncat.h5").is_file() else r"plot_cats\.py"
    ),
    "write_computation_times": False,
    "show_memory": False,
    "show_signature": False,
    "download_all_examples": False,
    "image_scrapers": ("matplotlib",),
    "capture_repr": (),  # a figure is drawn anyway
}

# --------------------------------------------------------------------------------- other documents

_OTHERS = {
    "python": "https://docs.python.org/3/",
    "numpy": "https://numpy.org/doc/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "sklearn": "https://scikit-learn.org/stable/",
}


def reached(address: str) -> bool:
    """Say whether a document's inventory can be had, as it cannot without a network."""
    try:
        with urllib.request.urlopen(f"{address}objects.inv", timeout=3):
            return True
    except OSError:
        return False


intersphinx_mapping = {name: (at, None) for name, at in _OTHERS.items() if reached(at)}
# what leads to them, where there is no inventory
nitpick_ignore_regex = [
    (r"py:.*", rf"{name}\..*")
    for name in ("numpy", "scipy", "sklearn", "matplotlib", "pandas")
    if name not in intersphinx_mapping
]
nitpick_ignore = [
    ("py:obj", "onnx.checker"),
    ("py:obj", "parameters"),  # an argument, which a module is called as too
    ("py:obj", "predict"),  # scikit-learn's
]


def shared(app: Any, env: Any, node: Any, text: Any) -> Any:
    """Find the page of a name that a module has from fastdnn itself."""
    if node.get("py:module") not in ("fastdnn.callbacks", "fastdnn.course2"):
        return None
    name, domain = f"fastdnn.{node['reftarget']}", env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, text)


def setup(app: Any) -> None:
    """Register what this file adds."""
    app.connect("autodoc-skip-member", skip)
    app.connect("missing-reference", shared)
