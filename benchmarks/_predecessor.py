"""The baseline of `build.py`: features made from URLs in the way of the predecessor.

A pool of processes fetches and prepares one batch, then the model predicts it, and so on: its
`Pool.map`, its `load_img` with nearest-neighbour resize, and `model.predict`, on modern Keras.

    python _predecessor.py CSV WEIGHTS ALPHA PROCESSES
"""

from __future__ import annotations

import csv
import os
import sys
from io import BytesIO
from multiprocessing import Pool
from pathlib import Path

import numpy as np
import requests

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
BATCH = 64


def fetch(url: str) -> np.ndarray | None:
    """Fetch and prepare one image, as the predecessor's `_sub_process`; None if that fails."""
    from keras.applications.mobilenet import preprocess_input
    from keras.utils import img_to_array, load_img

    try:
        answer = requests.get(url, timeout=60)
        return preprocess_input(
            img_to_array(load_img(BytesIO(answer.content), target_size=(224, 224)))
        )
    except Exception as error:
        print(f"Error downloading {url}: {error}")
        return None


def main() -> None:
    """Make features of the URLs in a CSV and print their number."""
    from keras.applications import MobileNet

    source, weights, alpha, processes = sys.argv[1:]
    with Path(source).open(newline="") as file:
        urls = [row["url"] for row in csv.DictReader(file)]
    model = MobileNet(
        alpha=float(alpha),
        include_top=False,
        weights=weights,
        pooling="avg",
        input_shape=(224, 224, 3),
    )
    features = []
    for start in range(0, len(urls), BATCH):
        pool = Pool(int(processes))
        prepared = pool.map(fetch, urls[start : start + BATCH])
        pool.close()
        pool.join()
        batch = np.array([picture for picture in prepared if picture is not None])
        features.append(model.predict(batch, verbose=0))
    print(sum(map(len, features)))


if __name__ == "__main__":
    main()
