import type { Http } from "../client";
import { valueOf } from "../problem";
import type { DecisionBody } from "../schema";
import { keyed } from "./executions";
import type { QueryOf } from "./query";

export function callsOfApprovals(http: Http) {
  const APPROVALS = "/api/agent-builder/executions/{execution_id}/approvals";
  return {
    /** Those that the caller may decide, newest first; the pending ones unless another `status` is asked for. */
    getInbox: (query: QueryOf<"listInbox"> = {}) =>
      valueOf(http.GET("/api/agent-builder/approvals", { params: { query } })),
    /** What one run asks, in the order it was asked. */
    getApprovals: (execution_id: string) => valueOf(http.GET(APPROVALS, { params: { path: { execution_id } } })),
    /** With `revision`, refused with 409 where somebody has edited the arguments since. A key makes it repeatable. */
    decideApproval: (execution_id: string, approval_id: string, body: DecisionBody, idempotencyKey?: string) =>
      valueOf(
        http.POST(`${APPROVALS}/{approval_id}`, {
          params: { path: { execution_id, approval_id }, header: keyed(idempotencyKey) },
          body,
        }),
      ),
  };
}
