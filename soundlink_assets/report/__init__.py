"""The report: frames in, one self-contained HTML page out (`page`), or a small picture.

Here: what the page says and how it looks. Not here: reading the warehouse, Dagster, and every
figure that is more than a sum or a ratio of sums, which `metrics` computes. Bars over days are
drawn by Vega-Lite as SVG inside the page, in a wide and a narrow version; what is by country or by
track is HTML. The page opens without a network, without scripts, on a phone, and prints.
"""
