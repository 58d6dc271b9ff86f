import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import type { QueryOf } from "../calls/query";
import type { DecisionBody } from "../schema";
import { usePerdure } from "./context";
import { AGAIN } from "./freshness";
import { queryKeys } from "./keys";

/** Approvals that the user may decide; asked for again while they are shown, since runs go on asking. */
export function useInbox(query: QueryOf<"listInbox"> = {}) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.inbox(query),
    queryFn: () => client.approvalsAPI.getInbox(query),
    refetchInterval: AGAIN,
  });
}

/** What one run asks, in the order it was asked. */
export function useExecutionApprovals(id: string) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.executionApprovals(id),
    queryFn: () => client.approvalsAPI.getApprovals(id),
  });
}

export interface Decision extends DecisionBody {
  executionId: string;
  approvalId: string;
  idempotencyKey?: string;
}

export function useDecideApproval() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ executionId, approvalId, idempotencyKey, ...body }: Decision) =>
      client.approvalsAPI.decideApproval(executionId, approvalId, body, idempotencyKey),
    // A refused decision says that things are no longer as they were shown.
    onSettled: () => queries.invalidateQueries({ queryKey: queryKeys.approvals }),
  });
}
