"""What the kernel does once before the first cell; leaves no name behind.

Figures come out as data that JupyterLab itself renders: matplotlib inline (``MPLBACKEND``), Plotly
and Altair by their MIME bundles. Their default is HTML that loads scripts from a CDN, which is an
empty output wherever the network is closed.
"""


def _show_figures() -> None:
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


def _tell_of_network() -> None:
    """There is no network, and whoever tries it anyway is told so beside the cell.

    As far as these functions can tell, and nothing for anybody who wants to hide it. An audit hook
    would see the same and could not be taken off, but makes every `id()` ten times as slow.
    """
    import contextlib
    import functools
    import os
    import socket
    from typing import Any

    kernel = get_ipython().kernel  # type: ignore[name-defined]  # noqa: F821
    me, told = os.getpid(), set[str]()

    def tell(place: Any) -> None:
        if not isinstance(place, tuple) or not place or os.getpid() != me:
            return
        host, port = place[0], place[1] if len(place) > 1 else None
        host = host.decode("latin-1") if isinstance(host, bytes) else str(host or "")
        if host in ("", "localhost", "::1", "0.0.0.0", "::") or host.startswith("127."):  # noqa: S104
            return
        target = f"{host}:{port}" if port else host
        if target not in told:
            told.add(target)
            kernel.session.send(
                kernel.iopub_socket,
                "interview_network",
                {"target": target},
                parent=kernel.get_parent("shell"),
                ident=b"interview_network",
            )

    def telling(function: Any, place: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*arguments: Any, **named: Any) -> Any:
            __tracebackhide__ = True
            with contextlib.suppress(Exception):  # help must not stand in the way
                tell(place(*arguments, **named))
            return function(*arguments, **named)

        return wrapper

    for name in ("connect", "connect_ex"):
        method = getattr(socket.socket, name)
        setattr(socket.socket, name, telling(method, lambda _, address: address))
    socket.socket.sendto = telling(  # type: ignore[method-assign]
        socket.socket.sendto, lambda *arguments: arguments[-1]
    )
    socket.getaddrinfo = telling(socket.getaddrinfo, lambda host, port, *_, **__: (host, port))
    socket.gethostbyname = telling(socket.gethostbyname, lambda host: (host,))
    get_ipython().events.register("pre_run_cell", lambda *_: told.clear())  # type: ignore[name-defined]  # noqa: F821


_show_figures()
_tell_of_network()
del _show_figures, _tell_of_network
