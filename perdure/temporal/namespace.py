"""What a namespace must have before runs start in it. Safe to repeat, by several processes at once."""

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeIndexedValueType
from temporalio.service import RPCError, RPCStatusCode

from perdure.domain.errors import SetupError
from perdure.temporal.naming import SEARCH_ATTRIBUTES

EMBEDDED_RETENTION = timedelta(days=90)
"""How long the embedded server keeps the history of an ended run; its own default is one day."""

_TYPES: dict[SearchAttributeIndexedValueType, "IndexedValueType.ValueType"] = {
    SearchAttributeIndexedValueType.KEYWORD: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    SearchAttributeIndexedValueType.INT: IndexedValueType.INDEXED_VALUE_TYPE_INT,
    SearchAttributeIndexedValueType.KEYWORD_LIST: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD_LIST,
}


async def ensure_search_attributes(client: Client) -> None:
    """Create the search attributes that are missing. Raises SetupError where that is not allowed."""
    present = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    missing = {
        key.name: _TYPES[key.indexed_value_type]
        for key in SEARCH_ATTRIBUTES
        if key.name not in present.custom_attributes
    }
    if not missing:
        return
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
        )
    except RPCError as error:
        if error.status is RPCStatusCode.ALREADY_EXISTS:
            return
        if error.status is RPCStatusCode.PERMISSION_DENIED:
            names = ", ".join(missing)
            msg = f"Ask the operator of the Temporal namespace '{client.namespace}' to add search attributes: {names}."
            raise SetupError(msg) from error
        raise


async def keep_history(client: Client, retention: timedelta = EMBEDDED_RETENTION) -> None:
    """Set how long the namespace keeps the history of ended runs."""
    await client.workflow_service.update_namespace(
        UpdateNamespaceRequest(
            namespace=client.namespace,
            config=NamespaceConfig(workflow_execution_retention_ttl=Duration(seconds=int(retention.total_seconds()))),
        )
    )
