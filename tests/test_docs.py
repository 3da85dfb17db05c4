"""The pages in `docs`: nothing public is missing, and their code runs."""

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import tomllib
import typing
from pathlib import Path

import pytest
from pages import directive_blocks
from sklearn.base import BaseEstimator
from torch import nn

import sklearn_ae
from sklearn_ae import (
    callbacks,
    data,
    inspection,
    model_selection,
    networks,
    objectives,
    onnx,
    persistence,
)
from sklearn_ae._doc_link import documentation_url
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
    modules = callbacks, data, inspection, model_selection, networks, objectives, onnx
    for package in (sklearn_ae, *modules, persistence):
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


DISPLAYS = [vars(inspection)[name] for name in inspection.__all__]


@pytest.mark.parametrize(
    "cls", [cls for cls in (*ESTIMATORS, *DISPLAYS) if inspect.isclass(cls)]
)
def test_results_are_typed(cls):
    """For editors and type checkers; tests/result_types.py says what they know."""
    methods = {
        name: member
        for name, member in inspect.getmembers(cls, inspect.isroutine)
        if name[0] != "_" and member.__module__.startswith("sklearn_ae.")
    }
    assert methods
    for name, method in methods.items():
        assert "return" in typing.get_type_hints(method), name


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_html_leads_to_the_api_reference(cls):
    arguments = {
        name: sklearn_ae.Autoencoder() if name == "estimator" else {}
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.default is parameter.empty
    }
    estimator = cls(**arguments)
    pages = [f"{documentation_url()}generated/{name}.html" for name in listed_in_api()]
    links = re.findall(r'href="([^"#]*)["#]', estimator._repr_html_())
    own = [link for link in links if link.endswith(f".{cls.__name__}.html")]
    assert own
    assert set(own) <= set(pages)


def test_subclasses_of_others_have_no_link():
    class Own(sklearn_ae.Autoencoder):
        pass

    assert documentation_url() not in Own()._repr_html_()


def test_address_is_that_of_the_metadata(monkeypatch):
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    documented = pyproject["project"]["urls"]["Documentation"]
    assert documentation_url() == documented, "install the package again"
    # A checkout that is not installed has none.
    monkeypatch.setattr("sklearn_ae._doc_link.documentation_url", lambda: "")
    assert sklearn_ae.Autoencoder()._get_doc_link() == ""


def test_code_of_the_installation_page_runs():
    failed, attempted = doctest.testfile(
        str(DOCS / "install.rst"), module_relative=False, encoding="utf-8"
    )
    assert attempted
    assert not failed


def test_code_of_the_extension_guide_runs(tmp_path, monkeypatch):
    blocks = directive_blocks(DOCS / "extending.rst", CODE)
    code = "\n\n".join(blocks)
    # A third of the rows: quicker, and enough for what the page asserts.
    rows = "load_digits().data / 16"
    assert code.count(rows) == 1
    code = code.replace(rows, "load_digits().data[::3] / 16")
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
