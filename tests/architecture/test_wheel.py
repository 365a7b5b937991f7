"""`pip install` of the wheel alone brings everything: tried in an environment of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """What a command prints, on both streams; the test fails when the command does."""
    environment = {**os.environ, **variables}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone holds, with the Node packages that are installed here linked in."""
    copy = tmp_path_factory.mktemp("source")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
    for package in ("labextension", "interview_ext/sandbox/wasm"):
        (copy / package / "node_modules").symlink_to(ROOT / package / "node_modules")
    return copy


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built by the build tools of this environment."""
    target = tmp_path_factory.mktemp("wheel")
    run(
        *(sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", target, source),
        cwd=source,
        PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    )
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; the libraries it depends on are those of this one."""
    prefix = tmp_path_factory.mktemp("installed")
    venv.create(prefix, with_pip=False, symlinks=True)
    python = prefix / "bin" / "python"
    purelib = Path(
        run(
            *(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'), end='')"),
            cwd=prefix,
        )
    )
    here = sysconfig.get_path("purelib")
    # A plain path line: .pth files over there, the editable install among them, are not read.
    (purelib / "libraries.pth").write_text(f"{here}\n")
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps"),
        *("--no-index", "--ignore-installed", wheel),
        cwd=prefix,
    )
    return prefix


def ask(installed: Path, code: str) -> str:
    """Run code in that environment, with nobody's Jupyter configuration but its own."""
    empty = installed / "home"
    empty.mkdir(exist_ok=True)
    return run(
        *(installed / "bin" / "python", "-W", "ignore", "-c", code),
        cwd=empty,
        HOME=str(empty),
        JUPYTER_CONFIG_DIR=str(empty),
        JUPYTER_DATA_DIR=str(empty),
        JUPYTER_PLATFORM_DIRS="0",
    )


def test_the_package_itself_comes_from_the_wheel(installed: Path) -> None:
    found = ask(installed, "import interview_ext; print(interview_ext.__file__, end='')")
    assert Path(found).is_relative_to(installed)


def test_the_wheel_holds_no_development_files(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "interview_ext/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "labextension/", "docs/"))]
    assert not [name for name in names if "node_modules" in name or name.endswith(".map")]


def test_jupyter_server_finds_and_enables_the_extension(installed: Path) -> None:
    found = ask(
        installed,
        "from jupyter_server.extension.config import ExtensionConfigManager as Manager\n"
        "from jupyter_core.paths import jupyter_config_path\n"
        "manager = Manager(read_config_path=jupyter_config_path())\n"
        "print(manager.get_jpserver_extensions().get('interview_ext'), end='')",
    )
    assert found == "True"


def test_jupyterlab_finds_the_labextension(installed: Path) -> None:
    found = ask(
        installed,
        "import json\n"
        "from jupyter_core.paths import jupyter_path\n"
        "from jupyterlab_server.config import get_federated_extensions\n"
        "found = get_federated_extensions(jupyter_path('labextensions'))\n"
        "ours = found['jupyter-interview-rooms']\n"
        "print(json.dumps([ours['ext_path'], ours['jupyterlab']['_build'], ours['version'],\n"
        "    ours['install']['packageName']]))",
    )
    path, build, version, package = json.loads(found)
    assert Path(path).is_relative_to(installed)
    assert (Path(path) / build["load"]).is_file()
    assert version == json.loads((ROOT / "labextension" / "package.json").read_text())["version"]
    assert package == "jupyter-interview-rooms"


def test_the_kernelspec_names_a_provisioner_that_loads(installed: Path) -> None:
    found = ask(
        installed,
        "from jupyter_client.kernelspec import KernelSpecManager\n"
        "from jupyter_client.provisioning import KernelProvisionerFactory as Factory\n"
        "spec = KernelSpecManager().get_kernel_spec('interview-python')\n"
        "name = spec.metadata['kernel_provisioner']['provisioner_name']\n"
        "print(spec.resource_dir, name, Factory.instance().provisioners[name].load().__module__)",
    )
    where, provisioner, module = found.split()
    assert Path(where).is_relative_to(installed)
    assert provisioner == "interview-docker-provisioner"
    assert module.startswith("interview_ext.sandbox")


def test_the_wheel_carries_what_the_sandbox_images_are_built_from(installed: Path) -> None:
    folder = Path(
        ask(
            installed,
            "from interview_ext.sandbox.folders import image_folder\n"
            "print(image_folder('python'), end='')",
        )
    )
    assert folder.is_relative_to(installed)
    there = ROOT / "sandbox_images" / "python"
    assert {path.name for path in folder.iterdir()} >= {path.name for path in there.glob("*.*")}


def test_the_command_line_is_there(installed: Path) -> None:
    script = installed / "bin" / "jupyter-interview"
    assert script.is_file()
    assert "demo" in run(script, "--help", cwd=installed)


def test_every_library_imported_is_a_declared_dependency(installed: Path) -> None:
    """The environment above borrows libraries, so it would not notice an undeclared one."""
    found = ask(
        installed,
        "import ast, sys, pathlib, importlib.metadata as metadata, re, json, interview_ext\n"
        "root = pathlib.Path(interview_ext.__file__).parent\n"
        "names, of_extras = set(), set()\n"
        "for path in root.rglob('*.py'):\n"
        # What runs in an image has its libraries there, by the image's own list.
        "    if 'image_folders' in path.parts: continue\n"
        # MongoDB and Redis are imported only where they are configured: extras bring their drivers.
        "    extra = path.match('storage/mongo*.py') or path.match('storage/redis*.py')\n"
        "    into = of_extras if extra else names\n"
        "    for node in ast.walk(ast.parse(path.read_text())):\n"
        "        if isinstance(node, ast.Import):\n"
        "            into |= {alias.name.split('.')[0] for alias in node.names}\n"
        "        elif isinstance(node, ast.ImportFrom) and not node.level:\n"
        "            into.add(node.module.split('.')[0])\n"
        "canonical = lambda name: re.sub('[-_.]+', '-', name).lower()\n"
        "owners = metadata.packages_distributions()\n"
        "own = {*sys.stdlib_module_names, 'interview_ext'}\n"
        "owner = lambda name: canonical(owners.get(name, [name])[0])\n"
        "used = lambda names: {owner(name) for name in names - own}\n"
        "requires = metadata.requires('jupyter-interview-rooms')\n"
        "declared = lambda fits: {canonical(re.match('[A-Za-z0-9._-]+', each)[0])\n"
        "    for each in requires if fits(each)}\n"
        "core = declared(lambda each: 'extra ==' not in each)\n"
        "extra = declared(lambda each: re.search('extra == .(mongodb|redis)', each))\n"
        "lacks = (used(names) - core) | (used(of_extras) - core - extra)\n"
        "print(json.dumps(sorted(lacks)))",
    )
    assert json.loads(found) == []
