"""Files around the code agree with each other: metadata, workflows, forms, pins."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from sklearn_ae import __version__

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
CI = ".github/workflows/ci.yml"
YAML = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [
        *(ROOT / ".github").rglob("*.yml"),
        *ROOT.glob(".*.yaml"),
        ROOT / "CITATION.cff",
    ]
)


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def load(name):
    return yaml.safe_load(text(name))


def workflow(name):
    loaded = load(f".github/workflows/{name}.yml")
    # YAML 1.1, which PyYAML reads, takes the word for a truth value.
    return loaded | {"on": loaded.pop(True)}


def pinned(name="constraints.txt"):
    """{name as in PEP 503: version} of a constraints file."""
    pins = re.findall(r"^([\w.-]+)==([\w.]+)$", text(name), re.M)
    return {normalized(package): version for package, version in pins}


def normalized(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def supported_versions():
    prefix = "Programming Language :: Python :: 3."
    return [
        f"3.{classifier.removeprefix(prefix)}"
        for classifier in PROJECT["classifiers"]
        if classifier.startswith(prefix)
    ]


@pytest.mark.parametrize("name", YAML)
def test_yaml_is_valid(name):
    assert len(YAML) >= 8
    assert isinstance(load(name), dict)


# -- versions of Python ----------------------------------------------------------------


def test_workflow_runs_all_versions_of_python_on_all_systems():
    matrix = workflow("ci")["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == supported_versions()
    systems = {system.partition("-")[0] for system in matrix["os"]}
    assert systems == {"ubuntu", "macos", "windows"}


def test_oldest_version_of_python_is_the_same_everywhere():
    oldest = supported_versions()[0]
    assert PROJECT["requires-python"] == f">={oldest}"
    tool = PYPROJECT["tool"]
    assert tool["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"
    assert tool["mypy"]["python_version"] == oldest
    assert load(".readthedocs.yaml")["build"]["tools"]["python"] == oldest


def test_workflow_runs_the_lowest_version_of_torch():
    """The others are in constraints-lowest.txt; see test_architecture.py."""
    lowest = re.search(r"torch==(\d[\d.]*)/' constraints-lowest", text(CI))[1]
    (bound,) = re.findall(
        r"^torch>=([\d.]+)$", "\n".join(PROJECT["dependencies"]), re.M
    )
    assert f"{lowest}.".startswith(f"{bound}.")


# -- workflows -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ci", "release"])
def test_workflows_may_only_read(name):
    jobs = workflow(name)["jobs"]
    assert workflow(name)["permissions"] == {"contents": "read"}
    granted = {
        job: jobs[job]["permissions"] for job in jobs if "permissions" in jobs[job]
    }
    # Trusted publishing proves where the workflow runs; no password is stored.
    expected = {"publish": {"id-token": "write"}} if name == "release" else {}
    assert granted == expected
    assert "secrets." not in text(f".github/workflows/{name}.yml")
    assert all(job["timeout-minutes"] <= 60 for job in jobs.values())


def test_only_tags_are_published():
    release = workflow("release")
    assert release["on"] == {"push": {"tags": ["v*"]}}
    assert release["jobs"]["publish"]["needs"] == "build"


@pytest.mark.parametrize("name", YAML)
def test_scripts_that_are_called_exist(name):
    for script in re.findall(r"\bscripts/\w+\.\w+", text(name)):
        assert (ROOT / script).is_file(), script


# -- pins ------------------------------------------------------------------------------


def test_what_checks_and_site_need_is_pinned():
    """So that a release of something else breaks no check."""
    extras = PROJECT["optional-dependencies"]
    needed = set()
    for extra in extras.keys() - {"bench"}:
        names = (re.match(r"[\w-]+", line)[0] for line in extras[extra])
        needed |= {normalized(name) for name in names}
    assert needed - {"sklearn-ae"} <= pinned().keys()


def test_pre_commit_uses_the_pinned_versions():
    hooks = [
        hook
        for repo in load(".pre-commit-config.yaml")["repos"]
        for hook in repo["hooks"]
    ]
    used = [pin for hook in hooks for pin in hook.get("additional_dependencies", [])]
    assert used
    for pin in used:
        name, version = pin.split("==")
        assert pinned()[normalized(name)] == version, pin


# -- about the project -----------------------------------------------------------------


def test_citation_is_of_this_version():
    citation = load("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == __version__, "change CITATION.cff, too"
    assert citation["license"] == PROJECT["license"]
    assert citation.keys() >= {"message", "title", "authors"}
    assert [author["name"] for author in citation["authors"]] == [
        author["name"] for author in PROJECT["authors"]
    ]


def test_addresses_of_the_project_have_one_place():
    """In pyproject.toml, so that they are changed there only."""
    urls = PROJECT["urls"]
    assert urls.keys() == {"Documentation", "Source", "Issues", "Changelog"}
    assert urls["Issues"].startswith(urls["Source"])
    assert urls["Changelog"].startswith(urls["Source"])
    folders = (".github", "docs/user_guide", "examples", "scripts", "sklearn_ae")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*")]
    suffixes = {".py", ".md", ".rst", ".yml", ".yaml", ".cff", ".sh"}
    files = [
        path
        for path in [*found, *ROOT.glob("*"), *ROOT.glob("docs/*")]
        if path.suffix in suffixes and path.is_file()
    ]
    assert len(files) > 100
    hosts = urls["Source"].removeprefix("https://"), urls["Documentation"].split("/")[2]
    assert [path for path in files if any(host in text(path) for host in hosts)] == []


@pytest.mark.parametrize("name", ["bug", "feature"])
def test_forms_ask_with_labels(name):
    form = load(f".github/ISSUE_TEMPLATE/{name}.yml")
    assert form.keys() >= {"name", "description", "body"}
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids) > 0
    for field in form["body"]:
        assert field["type"] in {"textarea", "input", "dropdown", "checkboxes"}
        assert field["attributes"]["label"]


@pytest.mark.parametrize(
    "name",
    [
        "CODE_OF_CONDUCT.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        ".github/pull_request_template.md",
    ],
)
def test_links_lead_to_files(name):
    folder = (ROOT / name).parent
    for target in re.findall(r"\]\(([^)#:]+)[)#]", text(name)):
        assert (folder / target).exists(), target
