"""Payloads too large for Temporal's history, kept in PostgreSQL.

Temporal fails a result over 2 MiB and wedges a run whose input is; long before that, large payloads fill its history.
What is over the threshold becomes a reference in history and a row here, named by its hash: the same payload of one
run is kept once. Housekeeping deletes the rows when their history is gone.
"""

from collections.abc import Sequence
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
)
from typing_extensions import override

from perdure.storage.engine import Sessions
from perdure.storage.tables import PayloadRow

THRESHOLD_BYTES = 64 * 1024


class PostgresPayloads(StorageDriver):
    """Temporal's storage driver over the `payloads` table."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    @override
    def name(self) -> str:
        return "perdure-postgresql"

    @override
    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        """Keep each payload under the workflow that it belongs to."""
        target = context.target
        owner = (target.id if isinstance(target, StorageDriverWorkflowInfo) else None) or ""
        blobs = [payload.SerializeToString() for payload in payloads]
        digests = [sha256(blob).digest() for blob in blobs]
        async with self._sessions.begin() as session:
            await session.execute(
                insert(PayloadRow).on_conflict_do_nothing(),
                [
                    {"workflow_id": owner, "digest": digest, "data": blob}
                    for digest, blob in zip(digests, blobs, strict=True)
                ],
            )
        return [StorageDriverClaim(claim_data={"workflow_id": owner, "sha256": digest.hex()}) for digest in digests]

    @override
    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Read each payload back. Raises LookupError when one is gone."""
        found: list[Payload] = []
        async with self._sessions() as session:
            for claim in claims:
                owner, digest = claim.claim_data["workflow_id"], claim.claim_data["sha256"]
                data = await session.scalar(
                    select(PayloadRow.data).where(
                        PayloadRow.workflow_id == owner, PayloadRow.digest == bytes.fromhex(digest)
                    )
                )
                if data is None:
                    msg = f"The payload {digest} of {owner} is no longer kept."
                    raise LookupError(msg)
                found.append(Payload.FromString(data))
        return found
