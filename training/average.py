"""Average two weights files of which one was trained on from the other.

python average.py earlier.npz RUN/weights.npz average.npz
"""

import argparse
from pathlib import Path

import numpy as np
from network import load_arrays, save_arrays


def main() -> None:
    """Parse the command line; write the mean."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    first, second = load_arrays(options.first), load_arrays(options.second)
    mean = {name: (array.astype(np.float32) + second[name]) / 2 for name, array in first.items()}
    save_arrays(options.target, mean)


if __name__ == "__main__":
    main()
