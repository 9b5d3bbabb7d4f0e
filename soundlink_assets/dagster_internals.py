"""The names of Dagster that have no public import, in one place.

Nothing else in the package imports from `dagster._core`. What is relied on is pinned by
`test_dagster_internals`, which fails first when an upgrade moves something. No code of ours belongs
here.
"""

from dagster._core.definitions.asset_checks.asset_check_evaluation import (
    AssetCheckEvaluationTargetMaterializationData as TargetMaterialization,
)
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition
from dagster._core.event_api import PartitionKeyFilter
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import InstigatorStatus, InstigatorType
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecordStatus as CheckStatus,
)
from dagster._core.storage.db_io_manager import (
    DbClient,
    DbIOManager,
    DbTypeHandler,
    TableSlice,
)
from dagster._core.storage.event_log import SqlEventLogStorage, SqliteEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable

__all__ = [
    "AssetCheckExecutionsTable",
    "CheckStatus",
    "DbClient",
    "DbIOManager",
    "DbTypeHandler",
    "InstigatorStatus",
    "InstigatorType",
    "PartitionKeyFilter",
    "RegisteredCodeLocationOrigin",
    "RemoteJobOrigin",
    "RemoteRepositoryOrigin",
    "SqlEventLogStorage",
    "SqliteEventLogStorage",
    "TableSlice",
    "TargetMaterialization",
    "UnresolvedAssetJobDefinition",
]
