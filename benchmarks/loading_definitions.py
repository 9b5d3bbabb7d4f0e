"""How long the definitions take to load, beside `import dagster` alone.

Prints the ratio of the medians of alternating fresh interpreters; the aim is at most 1.5.
"""

import statistics
import subprocess
import sys
import time

ROUNDS = 7
CASES = {
    "import dagster": "import dagster",
    "load the definitions": (
        "from soundlink_assets.definitions import build_definitions\n"
        "from soundlink_assets.settings import Settings\n"
        "build_definitions(Settings()).get_repository_def()"
    ),
}


def seconds(code: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - started


def main() -> None:
    taken: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(ROUNDS):
        for name, code in CASES.items():
            taken[name].append(seconds(code))
    medians = {name: statistics.median(times) for name, times in taken.items()}
    for name, median in medians.items():
        print(f"{name:24} {median:.2f} s (median of {ROUNDS})")
    alone, loaded = medians.values()
    print(f"ratio {loaded / alone:.2f} (aim: at most 1.50)")


if __name__ == "__main__":
    main()
