import type { Http } from "../client";
import { valueOf } from "../problem";
import type { BulkForkRequest, BulkRetryRequest, ForkRequest, JsonValue } from "../schema";
import type { QueryOf } from "./query";

/** Starts of runs. With a key, a repeated call gives the first call's execution. */
export interface StartOptions {
  idempotencyKey?: string;
  /** Seconds to wait for the end, 60 at most. */
  wait?: number;
}

export interface ExecuteOptions extends StartOptions {
  /** The flow's version to run; the newest when left out. */
  version?: number;
}

export const keyed = (key?: string) => (key === undefined ? {} : { "Idempotency-Key": key });

const starting = ({ idempotencyKey, wait }: StartOptions) => ({
  query: wait === undefined ? {} : { wait },
  header: keyed(idempotencyKey),
});

export function callsOfExecutions(http: Http) {
  const at = (execution_id: string) => ({ params: { path: { execution_id } } });
  const EXECUTION = "/api/agent-builder/executions/{execution_id}";
  return {
    executeFlow: (flow_id: string, inputData: Record<string, JsonValue>, { version, ...options }: ExecuteOptions = {}) => {
      const { query, header } = starting(options);
      return valueOf(
        http.POST("/api/agent-builder/flows/{flow_id}/execute", {
          params: { path: { flow_id }, query: version === undefined ? query : { ...query, version }, header },
          body: { input_data: inputData },
        }),
      );
    },
    /** Of one flow, newest first. */
    getExecutions: (flow_id: string, query: QueryOf<"listFlowExecutions"> = {}) =>
      valueOf(http.GET("/api/agent-builder/flows/{flow_id}/executions", { params: { path: { flow_id }, query } })),
    /** Of all flows. */
    getAllExecutions: (query: QueryOf<"listExecutions"> = {}) =>
      valueOf(http.GET("/api/agent-builder/executions", { params: { query } })),
    /** What one's runs of a period come to, by flow and by day; the last 30 days in UTC where nothing is asked. */
    getStatistics: (query: QueryOf<"getExecutionStatistics"> = {}) =>
      valueOf(http.GET("/api/agent-builder/executions/statistics", { params: { query } })),
    getExecution: (id: string) => valueOf(http.GET(EXECUTION, at(id))),
    cancelExecution: (id: string) => valueOf(http.POST(`${EXECUTION}/cancel`, at(id))),
    /** Where the same run is in Temporal, with its page in the Web UI. */
    getTemporalRun: (id: string) => valueOf(http.GET(`${EXECUTION}/temporal`, at(id))),
    explainExecution: (id: string) => valueOf(http.GET(`${EXECUTION}/explain`, at(id))),
    /** A step's whole output as text, also where the model was shown only its beginning. */
    getStepOutput: (execution_id: string, step_id: string) =>
      valueOf<string>(
        http.GET(`${EXECUTION}/steps/{step_id}/output`, { params: { path: { execution_id, step_id } }, parseAs: "text" }),
      ),
    /** Goes on from what the run has done, in a run of its own, from a step or version on, with edits. */
    forkExecution: (execution_id: string, body: ForkRequest, options: StartOptions = {}) =>
      valueOf(http.POST(`${EXECUTION}/fork`, { params: { path: { execution_id }, ...starting(options) }, body })),
    /** A fork from the step that failed. */
    retryExecution: (execution_id: string, options: StartOptions = {}) =>
      valueOf(http.POST(`${EXECUTION}/retry`, { params: { path: { execution_id }, ...starting(options) } })),
    forkExecutions: (body: BulkForkRequest) => valueOf(http.POST("/api/agent-builder/executions/fork", { body })),
    retryExecutions: (body: BulkRetryRequest) => valueOf(http.POST("/api/agent-builder/executions/retry", { body })),
    diffExecutions: (a: string, b: string) =>
      valueOf(http.GET("/api/agent-builder/executions/{a}/diff/{b}", { params: { path: { a, b } } })),
  };
}
