import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";

import type { QueryOf } from "../calls/query";
import { usePerdure } from "./context";
import { queryKeys } from "./keys";

/** Newest first. Never kept: whatever the user does is in it a moment later. */
export function useAuditLog(query: QueryOf<"getAuditLog"> = {}) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.auditLog(query),
    queryFn: () => client.eventStoreAPI.getAuditLog(query),
    placeholderData: keepPreviousData,
  });
}

/** Checks the whole log, which takes as long as the log is: when it is asked for. */
export function useVerifyAuditLog() {
  const client = usePerdure();
  return useMutation({ mutationFn: () => client.eventStoreAPI.verifyAuditLog() });
}

export function useExportAuditLog() {
  const client = usePerdure();
  return useMutation({ mutationFn: () => client.eventStoreAPI.exportAuditLog() });
}
