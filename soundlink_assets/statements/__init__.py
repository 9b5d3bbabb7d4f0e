"""Files of distributors: what they paid for which recording, store, month and country.

Here: the shapes of files (`mapping`), one file's rows and refusals (`reading`), and a folder of
files as one table (`folder`). Not here: what campaigns have to do with it (`metrics`), and when it
is read (`assets`). No Dagster, no DuckDB, no network.
"""

from soundlink_assets.statements.folder import StatementFolder, folder_state, read_folder
from soundlink_assets.statements.reading import Figures, Refusal, StatementFile

__all__ = ["Figures", "Refusal", "StatementFile", "StatementFolder", "folder_state", "read_folder"]
