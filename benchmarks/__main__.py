"""Run all benchmarks of docs/benchmarks.md, one after the other.

    python -m benchmarks [--mnist PATH]

This takes about four hours. Each script can also be run by itself. The extras `bench`,
`cluster` and `test` have what they need.
"""

import argparse
import subprocess
import sys

from benchmarks._data import add_mnist_argument

# Script name -> whether it uses MNIST.
SCRIPTS = {
    "defaults": False,
    "reconstruction_table": True,
    "grid_search": False,
    "overhead": True,
    "time_to_quality": True,
    "scale": False,
    "transform_throughput": False,
    "small_calls": False,
    "serving": False,
    "distributed": False,
    "launchers": False,
    "out_of_memory": False,
    "codes_at_scale": False,
    "cluster_search": False,
    "import_time": False,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_mnist_argument(parser)
    mnist = parser.parse_args().mnist
    for script, uses_mnist in SCRIPTS.items():
        print(f"\n== {script}", flush=True)
        command = [sys.executable, "-m", f"benchmarks.{script}", "--write-docs"]
        if uses_mnist and mnist:
            command += ["--mnist", mnist]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
