"""The report: frames in, one self-contained HTML page out (`page`), or a small picture (`preview`).

Here: what the page says and how it looks. Not here: reading the warehouse, Dagster, and every
figure that is more than a sum or a ratio of sums, which `metrics` computes. Charts are drawn by
altair and become SVG inside the page: it opens without a network, without scripts, and prints.
"""
