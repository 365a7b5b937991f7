"""What the kernel does once before the first cell; leaves no name behind.

Figures come out as data that JupyterLab itself renders: matplotlib inline (``MPLBACKEND``), Plotly
and Altair by their MIME bundles. Their default is HTML that loads scripts from a CDN, which is an
empty output wherever the network is closed.
"""


def _start() -> None:
    import glob
    import importlib.abc
    import importlib.machinery
    import os
    import sys
    from typing import Any

    # Matplotlib looks for its font list in a folder it can write; without it the first plot takes
    # a second longer. The list itself was made when the image was built.
    cache = os.path.join(os.environ.get("HOME", "/tmp"), ".cache", "matplotlib")
    os.makedirs(cache, exist_ok=True)
    for source in glob.glob("/opt/venv/share/matplotlib/fontlist-*.json"):
        target = os.path.join(cache, os.path.basename(source))
        if not os.path.lexists(target):
            os.symlink(source, target)

    # The output socket silently drops what stands behind 1,000 messages: with little processor
    # time for its sending thread, a loop of prints gets there. The shim drops too, but says so.
    output = get_ipython().kernel.iopub_thread  # type: ignore[name-defined]  # noqa: F821
    output.schedule(lambda: setattr(output.socket, "sndhwm", 100_000))

    class AltairRenderer(importlib.abc.MetaPathFinder):
        """Selects Altair's MIME renderer when, and only if, a cell imports Altair."""

        def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
            if name != "altair":
                return None
            sys.meta_path.remove(self)
            spec = importlib.machinery.PathFinder.find_spec(name, path, target)
            if spec is None or spec.loader is None:
                return None
            run = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                run(module)
                module.renderers.enable("mimetype")

            spec.loader.exec_module = exec_module
            return spec

    sys.meta_path.insert(0, AltairRenderer())


_start()
del _start
