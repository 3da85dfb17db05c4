"""Build the wheel and the sdist, and test what users get from them.

    .venv/bin/python scripts/release_check.py [--dist FOLDER]

Each is installed into a new environment, with the same result. The first example of the
README runs there, outside of the repository, and so do tests of the unpacked sdist.
Dependencies, `build` and `twine` are those of the environment that runs this script
(extra ``dev``); `tests/test_architecture.py` compares the declared dependencies with
those that are imported.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "sklearn_ae"
# They read files of the repository, and fit every estimator.
TESTS = (
    "tests/test_architecture.py",
    "tests/test_docstrings.py",
    "tests/test_readme.py::test_links_lead_to_files",
    "tests/test_repository.py",
)


def run(*command, **kwargs):
    """Run a command; what it prints is shown if it fails."""
    done = subprocess.run(
        [*map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **kwargs,
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def build(folder):
    """The wheel, built from the sdist, and the sdist."""
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    return wheel, sdist


def tracked():
    """The files under version control, which an unpacked sdist does not tell."""
    return set(run("git", "ls-files", cwd=ROOT).splitlines())


def check_contents(wheel, sdist):
    """The package and nothing else in the wheel; all that is tracked in the sdist."""
    files = tracked()
    package = {name for name in files if name.startswith(f"{PACKAGE}/")}
    assert f"{PACKAGE}/py.typed" in package
    names = {name.split("/", 1)[1] for name in tarfile.open(sdist).getnames()}
    assert names == files | {"PKG-INFO"}, f"sdist: {names ^ files}"
    names = zipfile.ZipFile(wheel).namelist()
    info = {name for name in names if ".dist-info/" in name}
    assert {*names} - info == package, f"wheel: {({*names} - info) ^ package}"
    assert any(name.endswith("/licenses/LICENSE") for name in info)


def installed(archive, folder):
    """The Python of a new environment with the package installed from an archive."""
    venv.create(folder, symlinks=os.name != "nt")
    scheme = sysconfig.get_paths("venv", vars={"base": folder, "platbase": folder})
    python = Path(scheme["scripts"], "python")
    # What is in that folder can be imported; its own .pth files do not count, among
    # them that of the editable install.
    others = sysconfig.get_path("purelib")
    Path(scheme["purelib"], "dependencies.pth").write_text(others, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", python]
    run(*pip, "install", "--quiet", "--no-deps", "--force-reinstall", archive)
    return python, Path(scheme["purelib"])


def record(site):
    """The installed files of the package with their hashes."""
    (path,) = site.glob(f"{PACKAGE}-*.dist-info/RECORD")
    lines = path.read_text(encoding="utf-8").splitlines()
    # Compiled files have no hashes, and pip notes where it took the package from.
    return {line for line in lines if not re.search(r",,$|direct_url.json", line)}


def example():
    """The README's first block of code."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.search(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dist", type=Path, help="where to leave wheel and sdist")
    args = parser.parse_args()
    start = time.perf_counter()

    def report(what):
        print(f"{time.perf_counter() - start:5.1f} s  {what}", flush=True)

    with tempfile.TemporaryDirectory() as work:
        work = Path(work).resolve()
        wheel, sdist = build(work / "dist")
        check_contents(wheel, sdist)
        report(f"built {wheel.name} and {sdist.name}")
        python, site = installed(wheel, work / "wheel")
        show = f"import {PACKAGE} as p; print(p.__file__)"
        where = run(python, "-Ic", f"{example()}\n{show}", cwd=work)
        assert Path(where.splitlines()[-1]).is_relative_to(site), where
        report("installed from the wheel; the example has run")
        _, other = installed(sdist, work / "sdist")
        assert record(site) == record(other)
        report("installed from the sdist")
        shutil.unpack_archive(sdist, work, filter="data")
        (unpacked,) = work.glob(f"{PACKAGE}-*/")
        # Of the installed package, not of the folder: `-P` keeps that from the path.
        output = run(python, "-P", "-m", "pytest", "-q", *TESTS, cwd=unpacked)
        report(output.splitlines()[-1])
        if args.dist:
            shutil.copytree(work / "dist", args.dist, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
