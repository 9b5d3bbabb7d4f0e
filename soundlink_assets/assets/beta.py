"""The features of Dagster that we use although they are in beta or preview.

Each warns when it is used. Those named here were chosen knowingly and are pinned by tests; any
other warning still shows.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

KNOWN = (
    "Parameter `backfill_policy` of function",
    "Function `with_source_code_references`",
    "Class `LocalFileCodeReference`",
    "Class `CodeReferencesMetadataValue`",
    "Specifying a partitions_def on an AssetCheckSpec",
    "Parameter `include_sources` of function",
)
"""How the warnings begin."""


@contextmanager
def known_beta_features() -> Iterator[None]:
    """Within it, the features in `KNOWN` do not warn."""
    with warnings.catch_warnings():
        for start in KNOWN:
            for category in (dg.BetaWarning, dg.PreviewWarning):
                warnings.filterwarnings("ignore", message=re.escape(start), category=category)
        yield
