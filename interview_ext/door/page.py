"""The pages of a door: our own small ones, and JupyterLab on the room's notebook."""

from __future__ import annotations

import html
import json
import posixpath
import re
from collections.abc import Sequence
from typing import Any

from jupyter_server import __version__ as server_version
from jupyterlab import __version__ as lab_version  # type: ignore[import-untyped]

from interview_ext.door.assets import PAGES_DIR, Assets, Extension, LabFiles

_PLACE = re.compile(r"\{\{(\w+)\}\}")

START_SCRIPT = (PAGES_DIR / "start.js").read_text("utf-8")
"""What stands in JupyterLab's page itself, so that it is there whatever else is lost: it loads
again what a network has lost, and says so. The policy allows this text and no other."""
AGAIN_SCRIPT = (PAGES_DIR / "again.js").read_text("utf-8")
"""What stands in our own small pages, for the same reason."""

EXTENSIONS = (
    "jupyter-interview-rooms",
    "@jupyter/collaboration-extension",
    "@jupyter/docprovider-extension",
    "@jupyter-widgets/jupyterlab-manager",
)
"""Prebuilt extensions that a room loads where they are installed; no other one unless it is
configured: Plotly's, for one, loads 1.4 MB before the first figure. What a host has installed
for themselves does not run beside a candidate's output."""

DISABLED_PLUGINS = (
    # cells run by our executor only
    "@jupyter/docprovider-extension:notebook-cell-executor",
    "@jupyterlab/notebook-extension:cell-executor",
    # ours stand in their places
    "@jupyter/docprovider-extension:websocket-provider-document-factory",
    "@jupyterlab/services-extension:server-settings",
    "@jupyterlab/apputils-extension:resolver",
    "@jupyterlab/apputils-extension:sanitizer",
    "@jupyterlab/apputils-extension:sessionDialogs",
    "@jupyterlab/rendermime-extension:plugin",
    "@jupyterlab/application-extension:dirty",
    # output that runs script in the page
    "@jupyterlab/javascript-extension:factory",
    "@jupyterlab/htmlviewer-extension:plugin",
    # the host's machine: files, terminals, kernels, extensions, settings, workspaces
    "@jupyterlab/debugger-extension:completions",
    "@jupyterlab/debugger-extension:config",
    "@jupyterlab/debugger-extension:consoles",
    "@jupyterlab/debugger-extension:debug-console",
    "@jupyterlab/debugger-extension:display-registry",
    "@jupyterlab/debugger-extension:files",
    "@jupyterlab/debugger-extension:main",
    "@jupyterlab/debugger-extension:notebooks",
    "@jupyterlab/debugger-extension:service",
    "@jupyterlab/debugger-extension:sidebar",
    "@jupyterlab/debugger-extension:source-viewer",
    "@jupyterlab/debugger-extension:sources",
    "@jupyterlab/debugger-extension:variables",
    "@jupyterlab/extensionmanager-extension:plugin",
    "@jupyterlab/filebrowser-extension:create-new-language-file",
    "@jupyterlab/filebrowser-extension:download",
    "@jupyterlab/filebrowser-extension:file-upload-status",
    "@jupyterlab/filebrowser-extension:notify-upload",
    "@jupyterlab/filebrowser-extension:open-browser-tab",
    "@jupyterlab/filebrowser-extension:open-url",
    "@jupyterlab/filebrowser-extension:open-with",
    "@jupyterlab/filebrowser-extension:share-file",
    "@jupyterlab/filebrowser-extension:widget",
    "@jupyterlab/hub-extension:connectionlost",
    "@jupyterlab/hub-extension:menu",
    "@jupyterlab/hub-extension:plugin",
    "@jupyterlab/launcher-extension:plugin",
    "@jupyterlab/pluginmanager-extension:plugin",
    "@jupyterlab/running-extension:recently-closed",
    "@jupyterlab/running-extension:search-tabs",
    "@jupyterlab/running-extension:sidebar",
    "@jupyterlab/settingeditor-extension:form-ui",
    "@jupyterlab/settingeditor-extension:plugin",
    "@jupyterlab/terminal-extension:escape-hint",
    "@jupyterlab/terminal-extension:open-folder-in-terminal",
    "@jupyterlab/terminal-extension:plugin",
    "@jupyterlab/workspaces-extension:commands",
    "@jupyterlab/workspaces-extension:indicator",
    "@jupyterlab/workspaces-extension:menu",
    "@jupyterlab/workspaces-extension:sidebar",
    # another kernel, or none: the room has one
    "@jupyterlab/apputils-extension:kernels-settings",
    "@jupyterlab/apputils-extension:running-sessions-status",
    "@jupyterlab/apputils-extension:subshell-settings",
    "@jupyterlab/console-extension:cell-executor",
    "@jupyterlab/console-extension:completer",
    "@jupyterlab/console-extension:cursor-position",
    "@jupyterlab/console-extension:factory",
    "@jupyterlab/console-extension:foreign",
    "@jupyterlab/console-extension:kernel-status",
    "@jupyterlab/console-extension:tracker",
    "@jupyterlab/inspector-extension:consoles",
    "@jupyterlab/tooltip-extension:consoles",
    "@jupyterlab/notebook-extension:code-console",
    "@jupyterlab/notebook-extension:open-with-no-kernel",
    # what asks other services, or leads away from the interview
    "@jupyterlab/apputils-extension:announcements",
    "@jupyterlab/apputils-extension:licenses-client",
    "@jupyterlab/apputils-extension:licenses-plugin",
    "@jupyterlab/docmanager-extension:download",
    "@jupyterlab/docmanager-extension:open-browser-tab",
    "@jupyterlab/help-extension:jupyter-forum",
    "@jupyterlab/help-extension:licenses-commands",
    "@jupyterlab/help-extension:open",
    "@jupyterlab/help-extension:resources",
    "@jupyterlab/mainmenu-extension:recents",
    "@jupyterlab/notebook-extension:export",
    "@jupyterlab/notebook-extension:language-server",
    "@jupyterlab/fileeditor-extension:language-server",
    # of collaboration: links that would be the host's, forks, and a list of all the server's
    # people, whose socket does not exist here; our panel shows who is in the room
    "@jupyter/collaboration-extension:rtcGlobalAwareness",
    "@jupyter/collaboration-extension:rtcPanel",
    "@jupyter/collaboration-extension:shared-link",
    "@jupyter/docprovider-extension:forkManager",
    "@jupyter/docprovider-extension:statusBarTimeline",
)
"""Switched off one by one: without `filebrowser-extension` or `running-extension` as a whole
JupyterLab 4.6 has no notebook tracker, for want of providers."""


def room_extensions(lab: LabFiles, configured: Sequence[str]) -> tuple[Extension, ...]:
    """Return the prebuilt extensions of rooms that are installed."""
    names = dict.fromkeys([*EXTENSIONS, *configured])
    return tuple(found for name in names if (found := lab.extension(name)) is not None)


def page_config(
    *, door_path: str, assets: Assets, tree_path: str, room: dict[str, Any], kernel: bool = True
) -> dict[str, Any]:
    """Return JupyterLab's page config, made here from nothing.

    The server's own page config holds its token and whatever extensions put there; none
    of it is read.

    Parameters
    ----------
    tree_path:
        The document to open.
    room:
        The option ``interviewRoom``, by which our extension knows that it is in a room.
    kernel:
        Whether the notebook has the room's kernel; a branch has none.
    """
    static = assets.url_path.rstrip("/")
    disabled = [*DISABLED_PLUGINS]
    for extension in assets.extensions:
        disabled.extend(extension.disables)
    return {
        "appName": "JupyterLab",
        "appNamespace": "lab",
        "appVersion": lab_version,
        "appUrl": "/lab",
        "baseUrl": door_path,
        "wsUrl": "",
        "token": "",
        "mode": "single-document",
        "workspace": "default",
        "treePath": tree_path,
        "serverRoot": "",
        "preferredPath": "/",
        "terminalsAvailable": False,
        "buildAvailable": False,
        "buildCheck": False,
        "devMode": False,
        "exposeAppInBrowser": False,
        "quitButton": False,
        "allow_hidden_files": False,
        "delete_to_trash": False,
        "cacheFiles": True,
        "notebookStartsKernel": kernel,
        "copyAbsolutePath": False,
        "notebookVersion": json.dumps([*server_version.split("."), ""]),
        "store_id": 0,
        "fullAppUrl": f"{door_path}lab",
        "fullStaticUrl": f"{static}/lab",
        "fullLabextensionsUrl": f"{static}/extensions",
        "fullThemesUrl": f"{static}/themes",
        # JupyterLab joins this to the base URL, normalising it.
        "themesUrl": posixpath.relpath(f"{static}/themes", door_path),
        "fullSettingsUrl": f"{door_path}lab/api/settings",
        "settingsUrl": "/lab/api/settings",
        "fullTranslationsApiUrl": f"{door_path}lab/api/translations",
        "translationsApiUrl": "/lab/api/translations",
        "fullTreeUrl": f"{door_path}lab/tree",
        "treeUrl": "/lab/tree",
        "fullWorkspacesApiUrl": f"{door_path}lab/api/workspaces",
        "workspacesApiUrl": "/lab/api/workspaces",
        "fullMathjaxUrl": "",
        "mathjaxConfig": "",
        "ignorePlugins": [],
        "deferredExtensions": [],
        "disabledExtensions": sorted(set(disabled)),
        "federated_extensions": [extension.page_entry for extension in assets.extensions],
        "interviewRoom": json.dumps(room),
    }


def render_lab(config: dict[str, Any], *, assets: Assets, title: str) -> str:
    """Return JupyterLab's page: its configuration, `START_SCRIPT` and its first script."""
    return render(
        "lab.html",
        assets=assets,
        page=config,
        title=title,
        files=assets.url_path,
        main=assets.url(assets.main_script),
    )


def render(template: str, *, assets: Assets, page: dict[str, Any], **texts: str) -> str:
    """Return one of the pages in ``pages/`` with its texts filled in, escaped.

    Parameters
    ----------
    page:
        What the page's script reads as JSON.
    texts:
        For the ``{{name}}`` in the page.
    """
    values = {name: html.escape(text) for name, text in texts.items()}
    values["static"] = html.escape(assets.url_path + "rooms/")
    values["page"] = _json_in_html(page)
    values["start"] = START_SCRIPT
    values["again"] = AGAIN_SCRIPT
    source = (PAGES_DIR / template).read_text("utf-8")
    return _PLACE.sub(lambda match: values[match[1]], source)


def _json_in_html(value: dict[str, Any]) -> str:
    """JSON that ends no script element and begins no comment, whatever it holds."""
    return json.dumps(value).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
