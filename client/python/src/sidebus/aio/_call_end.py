"""Why an asyncio call ended."""

import asyncio

import grpc

from sidebus.errors import SidebusError, error_from_rpc


def call_end(error: BaseException) -> SidebusError:
    """What ended a call that raised. Raises again a cancellation of the task that runs it."""
    if isinstance(error, grpc.RpcError):
        return error_from_rpc(error)
    task = asyncio.current_task()
    if isinstance(error, asyncio.CancelledError) and (task is None or not task.cancelling()):
        return SidebusError("the call was cancelled", code=grpc.StatusCode.CANCELLED)
    raise error
