"""A client of the API, for programs: the same calls synchronous and asynchronous, and runs watched as they happen.

    with PerdureClient("http://localhost:8000", token) as client:
        execution = client.execute_flow(flow_id, {"message": "Why do ships float?"})
        for update in client.watch_execution(execution.id):
            print(update.data)

Every method raises `ApiError` when the API refuses, with its own words, and `UnreachableError` when it does not answer.
"""

from perdure.client.answers import ApprovalPage, Deleted, ExecutionPage, FlowFields, FlowViews
from perdure.client.asynchronous import AsyncPerdureClient
from perdure.client.errors import ApiError, UnreachableError
from perdure.client.following import AttemptFailed, StepStarted, Token, Update
from perdure.client.synchronous import PerdureClient

__all__ = [
    "ApiError",
    "ApprovalPage",
    "AsyncPerdureClient",
    "AttemptFailed",
    "Deleted",
    "ExecutionPage",
    "FlowFields",
    "FlowViews",
    "PerdureClient",
    "StepStarted",
    "Token",
    "UnreachableError",
    "Update",
]
