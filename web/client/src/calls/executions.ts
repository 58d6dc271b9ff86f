import type { Http } from "../client";
import { valueOf } from "../problem";
import type { DecisionBody, ForkRequest, JsonValue } from "../schema";
import type { QueryOf } from "./query";

/** Starts of runs. With a key, a repeated call gives the first call's execution. */
export interface StartOptions {
  idempotencyKey?: string;
  /** Seconds to wait for the end, 60 at most. */
  wait?: number;
}

const starting = ({ idempotencyKey, wait }: StartOptions) => ({
  query: wait === undefined ? {} : { wait },
  header: idempotencyKey === undefined ? {} : { "Idempotency-Key": idempotencyKey },
});

export function callsOfExecutions(http: Http) {
  const at = (execution_id: string) => ({ params: { path: { execution_id } } });
  const EXECUTION = "/api/agent-builder/executions/{execution_id}";
  return {
    executeFlow: (flow_id: string, inputData: Record<string, JsonValue>, options: StartOptions = {}) =>
      valueOf(
        http.POST("/api/agent-builder/flows/{flow_id}/execute", {
          params: { path: { flow_id }, ...starting(options) },
          body: { input_data: inputData },
        }),
      ),
    /** Of one flow, newest first. */
    getExecutions: (flow_id: string, query: QueryOf<"listFlowExecutions"> = {}) =>
      valueOf(http.GET("/api/agent-builder/flows/{flow_id}/executions", { params: { path: { flow_id }, query } })),
    /** Of all flows. */
    getAllExecutions: (query: QueryOf<"listExecutions"> = {}) =>
      valueOf(http.GET("/api/agent-builder/executions", { params: { query } })),
    getExecution: (id: string) => valueOf(http.GET(EXECUTION, at(id))),
    cancelExecution: (id: string) => valueOf(http.POST(`${EXECUTION}/cancel`, at(id))),
    explainExecution: (id: string) => valueOf(http.GET(`${EXECUTION}/explain`, at(id))),
    forkExecution: (execution_id: string, body: ForkRequest, options: StartOptions = {}) =>
      valueOf(http.POST(`${EXECUTION}/fork`, { params: { path: { execution_id }, ...starting(options) }, body })),
    retryExecution: (execution_id: string, options: StartOptions = {}) =>
      valueOf(http.POST(`${EXECUTION}/retry`, { params: { path: { execution_id }, ...starting(options) } })),
    diffExecutions: (a: string, b: string) =>
      valueOf(http.GET("/api/agent-builder/executions/{a}/diff/{b}", { params: { path: { a, b } } })),
    getInbox: (query: QueryOf<"listInbox"> = {}) =>
      valueOf(http.GET("/api/agent-builder/approvals", { params: { query } })),
    getApprovals: (id: string) => valueOf(http.GET(`${EXECUTION}/approvals`, at(id))),
    decideApproval: (execution_id: string, approval_id: string, body: DecisionBody) =>
      valueOf(http.POST(`${EXECUTION}/approvals/{approval_id}`, { params: { path: { execution_id, approval_id } }, body })),
  };
}
