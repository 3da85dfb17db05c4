"""The pages in `docs`: nothing public is missing, and their code runs."""

import ast
import importlib
import inspect
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest
from pages import directive_blocks
from sklearn.base import BaseEstimator
from torch import nn

import sklearn_ae
from sklearn_ae import inspection, model_selection, networks, objectives, persistence
from sklearn_ae._doc_link import DOCUMENTATION_URL
from sklearn_ae.objectives import corruptions, losses, penalties

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CODE = "code-block:: python"


def listed_in_api():
    """The full names that the tables of docs/api.rst make pages of."""
    names, module, in_table = [], "", False
    for line in (DOCS / "api.rst").read_text(encoding="utf-8").splitlines():
        if line.startswith(".. currentmodule:: "):
            module = line.removeprefix(".. currentmodule:: ")
        if line and not line.startswith(" "):
            in_table = line == ".. autosummary::"
        elif in_table and re.fullmatch(r" {3}[\w.]+", line):
            names.append(f"{module}.{line.strip()}")
    return names


def public_modules(package):
    for info in pkgutil.iter_modules(package.__path__):
        if not info.name.startswith("_"):
            yield importlib.import_module(f"{package.__name__}.{info.name}")


def public_names():
    for package in (
        sklearn_ae,
        inspection,
        model_selection,
        networks,
        objectives,
        persistence,
    ):
        for name in package.__all__:
            if callable(getattr(package, name)):
                yield f"{package.__name__}.{name}"


def building_blocks():
    """Functions of the maths, and networks with an encoder."""
    for module in (losses, penalties, corruptions):
        for name, part in inspect.getmembers(module, inspect.isfunction):
            is_own = part.__module__ == module.__name__
            # The net calls it, to apply any corruption.
            if is_own and name[0] != "_" and name != "corrupt_standardized":
                yield f"{module.__name__}.{name}"
    for module in public_modules(networks):
        for name, part in inspect.getmembers(module, inspect.isclass):
            is_own = part.__module__ == module.__name__ and part is not networks.Network
            if is_own and issubclass(part, nn.Module) and hasattr(part, "encode"):
                yield f"{module.__name__}.{name}"


def test_api_reference_is_complete():
    listed, public = listed_in_api(), set(public_names())
    assert "sklearn_ae.SparseAutoencoder" in public
    assert "sklearn_ae.model_selection.BatchedGridSearchCV" in public
    assert "sklearn_ae.inspection.LossCurveDisplay" in public
    blocks = set(building_blocks())
    assert "sklearn_ae.objectives.penalties.kl_sparsity" in blocks
    assert "sklearn_ae.networks.dense.DenseNetwork" in blocks
    assert sorted(listed) == sorted(public | blocks)


ESTIMATORS = [
    cls
    for module in (sklearn_ae, model_selection)
    for cls in map(vars(module).get, module.__all__)
    if inspect.isclass(cls) and issubclass(cls, BaseEstimator)
]


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_html_leads_to_the_api_reference(cls):
    arguments = {
        name: sklearn_ae.Autoencoder() if name == "estimator" else {}
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.default is parameter.empty
    }
    estimator = cls(**arguments)
    pages = [f"{DOCUMENTATION_URL}generated/{name}.html" for name in listed_in_api()]
    links = re.findall(r'href="([^"#]*)["#]', estimator._repr_html_())
    own = [link for link in links if link.endswith(f".{cls.__name__}.html")]
    assert own
    assert set(own) <= set(pages)


def test_subclasses_of_others_have_no_link():
    class Own(sklearn_ae.Autoencoder):
        pass

    assert DOCUMENTATION_URL not in Own()._repr_html_()


def test_address_is_that_of_the_project():
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert pyproject["project"]["urls"]["Documentation"] == DOCUMENTATION_URL


def test_code_of_the_front_page_runs():
    (block,) = directive_blocks(DOCS / "index.rst", CODE)
    namespace = {}
    exec(block, namespace)
    for name in ("codes", "images"):
        assert f"# shape {namespace[name].shape}" in block


def test_code_of_the_extension_guide_runs(tmp_path, monkeypatch):
    blocks = directive_blocks(DOCS / "extending.rst", CODE)
    code = "\n\n".join(blocks)
    assert code.count("assert ") >= len(blocks) // 2
    # A module, as readers would have it: its classes are pickled.
    (tmp_path / "extension_guide.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("extension_guide")


def test_examples_assert_what_they_claim():
    examples = sorted((ROOT / "examples").glob("*/plot_*.py"))
    assert len(examples) > 20
    silent = [
        path.name
        for path in examples
        if not any(
            isinstance(node, ast.Assert)
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )
    ]
    assert silent == []
