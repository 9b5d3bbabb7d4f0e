"""What can be wrong with a warehouse; each message says what to do. Standard library only."""


class WarehouseError(Exception):
    """The warehouse could not be read or written; nothing was changed."""


class UnsupportedWarehouseError(WarehouseError):
    """`SOUNDLINK_WAREHOUSE` names no kind of warehouse that is built in."""


class LockedWarehouseError(WarehouseError):
    """Another process kept the warehouse locked for longer than the wait allows."""


class UnreachableWarehouseError(WarehouseError):
    """The database of a lake's catalog cannot be reached, or ended the connection."""


class NotAWarehouseError(WarehouseError):
    """What is there is not a DuckDB database, or a damaged one."""


class NewerWarehouseError(WarehouseError):
    """The file was written by a DuckDB whose format this one cannot read."""


class ReadOnlyWarehouseError(WarehouseError):
    """The folder or the file may not be written."""


class FullDiskError(WarehouseError):
    """There is no room left on the disk."""


class MissingTableError(WarehouseError):
    """A query names a table that nothing has written yet."""


class RefusedQueryError(WarehouseError):
    """A query is not one statement that only reads."""


class SchemaMismatchError(WarehouseError):
    """Columns or types of a frame, of a stored table and of its description disagree."""


class OutOfRangeError(WarehouseError):
    """A number is too large for its column, or for the sum that a query asks for."""


class OutdatedError(WarehouseError):
    """What is to be written was computed from days that another run has replaced since."""


class DoubledRowsError(WarehouseError):
    """One campaign was asked for under two ids, so that its rows would count twice."""
