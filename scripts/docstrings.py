"""Copy the documentation of inherited parameters and attributes into docstrings.

Docstrings in the source are complete, so that editors show all parameters. The entry of
an inherited parameter or attribute is that of the nearest base class that documents it:
change it there and run this script. Parameters are in the order of the signature, with
the default of the class. A class's own attributes come before inherited ones.

    python scripts/docstrings.py            # rewrites the source
    python scripts/docstrings.py --check    # names docstrings that are out of date
"""

import argparse
import ast
import inspect
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import sklearn_ae
from sklearn_ae import model_selection

# Entries that a class documents in its own words, although a base documents them, too.
OWN_WORDS = {
    "BatchedHalvingRandomSearchCV": {"random_state"},
    "ContractiveAutoencoder": {"n_components", "hidden_layer_sizes"},
    "DenoisingAutoencoder": {"n_components"},
    "SparseAutoencoder": {"n_components", "hidden_layer_sizes", "code_activation"},
    "StackedAutoencoder": {
        "hidden_layer_sizes",
        "activation",
        "code_activation",
        "callbacks",
        "history_",
        "loss_curve_",
        "validation_loss_curve_",
        "n_iter_",
    },
    "VariationalAutoencoder": {"loss"},
}

MAX_LENGTH = 88
INDENT = " " * 4


def public_classes():
    """The classes whose docstrings this script keeps up to date."""
    for module in (sklearn_ae, model_selection):
        members = map(vars(module).get, module.__all__)
        yield from (member for member in members if inspect.isclass(member))


def source_of(cls):
    """The file of a class, and the range of lines of its docstring."""
    path = Path(inspect.getsourcefile(cls))
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            first = node.body[0]
            is_text = isinstance(first, ast.Expr) and isinstance(
                first.value, ast.Constant
            )
            return path, (first.lineno - 1, first.end_lineno) if is_text else (0, 0)
    raise LookupError(f"{path} has no class {cls.__name__}")


def section_range(lines, title):
    """The range of lines with the entries of a section, or None without the section."""
    underlined = [
        i - 1 for i, line in enumerate(lines) if re.fullmatch(rf"{INDENT}-+", line)
    ]
    for start in underlined:
        if lines[start] == INDENT + title:
            # Up to the next section, or to the closing quotes.
            return start + 2, min(i for i in [*underlined, len(lines) - 1] if i > start)
    return None


def entries(lines, title):
    """The entries of a section by name, as lists of lines without trailing blanks."""
    found, name = {}, None
    where = section_range(lines, title)
    for line in lines[slice(*where)] if where else ():
        if line.startswith(INDENT) and line[len(INDENT)] != " ":
            name = line.split(":")[0].strip()
            found[name] = []
        if name is not None:
            found[name].append(line)
    for entry in found.values():
        while not entry[-1].strip():
            entry.pop()
    return found


def docstring_lines(cls):
    """The lines of the docstring of a class in the source, with its quotes."""
    path, (start, stop) = source_of(cls)
    return path.read_text(encoding="utf-8").splitlines()[start:stop]


def with_default(entry, default):
    """The entry with the given default in its first lines."""
    shown = f'"{default}"' if isinstance(default, str) else repr(default)
    for i, line in enumerate(entry):
        changed = re.sub(r"default=.*", lambda _: f"default={shown}", line)
        if changed != line or f"default={shown}" in line:
            if len(changed) > MAX_LENGTH:
                raise ValueError(f"Too long, use a shorter type: {changed}")
            return [*entry[:i], changed, *entry[i + 1 :]]
    return entry


def shared_entries(cls, title):
    """The entries that a class inherits, each from its nearest base."""
    shared = {}
    for base in cls.__mro__[1:]:
        if base.__module__.startswith("sklearn_ae."):
            for name, entry in entries(docstring_lines(base), title).items():
                shared.setdefault(name, entry)
    return shared


def documented_entries(cls, title):
    """The entries that a class should have, in their order."""
    own = entries(docstring_lines(cls), title)
    shared = shared_entries(cls, title)
    own_words = OWN_WORDS.get(cls.__name__, set())
    chosen = {
        name: entry
        for name, entry in own.items()
        if name not in shared or name in own_words
    }
    if title == "Attributes":
        return chosen | {k: v for k, v in shared.items() if k not in chosen}
    in_order = {}
    for name, parameter in inspect.signature(cls).parameters.items():
        entry = chosen.get(name, shared.get(name))
        if entry is None:
            raise LookupError(f"{cls.__name__} and its bases do not document {name!r}.")
        if parameter.default is not parameter.empty:
            entry = with_default(entry, parameter.default)
        in_order[name] = entry
    return in_order


def up_to_date(cls):
    """The lines of the docstring of a class as they should be."""
    lines = docstring_lines(cls)
    for title in ("Parameters", "Attributes"):
        where = section_range(lines, title)
        if where is not None:
            section = []
            for entry in documented_entries(cls, title).values():
                section += [*entry, ""]
            is_last = where[1] == len(lines) - 1
            lines[slice(*where)] = section[:-1] if is_last else section
    return lines


def stale_docstrings():
    """The names of the classes whose docstrings are out of date."""
    return [
        cls.__name__
        for cls in public_classes()
        if docstring_lines(cls) != up_to_date(cls)
    ]


def rewrite():
    """Bring all docstrings up to date."""
    for cls in public_classes():
        path, (start, stop) = source_of(cls)
        lines = path.read_text(encoding="utf-8").splitlines()
        lines[start:stop] = up_to_date(cls)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    if not parser.parse_args().check:
        rewrite()
    elif stale := stale_docstrings():
        sys.exit(f"Out of date: {', '.join(stale)}. Run python scripts/docstrings.py.")


if __name__ == "__main__":
    main()
