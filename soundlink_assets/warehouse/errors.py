"""What can be wrong with the warehouse, each with what to do about it. Standard library only."""


class WarehouseError(Exception):
    """The warehouse could not be read or written; nothing was changed."""


class UnsupportedWarehouseError(WarehouseError):
    """`SOUNDLINK_WAREHOUSE` names a kind of warehouse that is not built in yet."""


class HeldWarehouseError(WarehouseError):
    """Another process kept the file for longer than the wait allows."""


class NotAWarehouseError(WarehouseError):
    """What is there is no DuckDB database, or a damaged one."""


class NewerWarehouseError(WarehouseError):
    """The file was written by a DuckDB whose format this one cannot read."""


class ReadOnlyWarehouseError(WarehouseError):
    """The folder or the file may not be written."""


class FullDiskError(WarehouseError):
    """There is no room left on the disk."""


class MissingTableError(WarehouseError):
    """A query names a table that nothing has written yet."""


class MisfitError(WarehouseError):
    """Columns or types of a frame, of a stored table and of its description disagree."""


class OutdatedError(WarehouseError):
    """What is to be written was computed from days that another run has replaced since."""


class DoubledRowsError(WarehouseError):
    """One campaign was asked for under two ids, so that its rows would count twice."""
