import { keepPreviousData, type Query, type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import type { ExecuteOptions, StartOptions } from "../calls/executions";
import type { QueryOf } from "../calls/query";
import { afterFrame, NOTHING_YET, type LiveRun } from "../live";
import type { Execution, ExecutionPage, ForkRequest, JsonValue } from "../schema";
import { usePerdure } from "./context";
import { AGAIN, FRESH, STATISTICS_AGAIN } from "./freshness";
import { queryKeys } from "./keys";

export function useFlowExecutions(flowId: string, query: QueryOf<"listFlowExecutions"> = {}) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.flowExecutions(flowId, query),
    queryFn: () => client.flowsAPI.getExecutions(flowId, query),
    staleTime: FRESH,
  });
}

/** Of all flows, newest first; asked for again every few seconds while they are shown and `isAsking`. */
export function useExecutions(query: QueryOf<"listExecutions"> = {}, isAsking = true) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.executionList(query),
    queryFn: () => client.flowsAPI.getAllExecutions(query),
    placeholderData: keepPreviousData,
    staleTime: isAsking ? AGAIN : FRESH,
    refetchInterval: isAsking ? AGAIN : false,
  });
}

const UNDER_WAY = new Set<Execution["status"] | undefined>([undefined, "pending", "running"]);

export function useExecution(id: string) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.execution(id),
    queryFn: () => client.flowsAPI.getExecution(id),
    // One that has ended stays as it is.
    staleTime: ({ state }) => (UNDER_WAY.has(state.data?.status) ? FRESH : Infinity),
  });
}

/** What one's runs of a period come to; asked for again while it is shown. */
export function useStatistics(query: QueryOf<"getExecutionStatistics"> = {}) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.statistics(query),
    queryFn: () => client.flowsAPI.getStatistics(query),
    placeholderData: keepPreviousData,
    refetchInterval: STATISTICS_AGAIN,
  });
}

/** Where the same run is in Temporal. */
export function useTemporalRun(id: string) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.temporalRun(id),
    queryFn: () => client.flowsAPI.getTemporalRun(id),
    staleTime: Infinity,
  });
}

export interface FlowStart extends ExecuteOptions {
  id: string;
  inputData: Record<string, JsonValue>;
}

export function useExecuteFlow() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, inputData, ...options }: FlowStart) => client.flowsAPI.executeFlow(id, inputData, options),
    onSuccess: (execution) => keepStarted(queries, execution),
  });
}

/** Puts a new run at the head of the kept lists that begin with it; others are read anew. */
async function keepStarted(queries: QueryClient, execution: Execution) {
  queries.setQueryData(queryKeys.execution(execution.id), execution);
  const firstPages = { queryKey: queryKeys.executions, predicate: ({ queryKey }: Query) => isHeadedBy(execution, queryKey) };
  queries.setQueriesData<ExecutionPage>(firstPages, (page) => page && withFirst(page, execution));
  // How the run is by then, they tell when they are shown again.
  await queries.invalidateQueries({ ...firstPages, refetchType: "none" });
  const isTouched = ({ queryKey: [, kind, ...rest] }: Query) => kind !== "one" && (kind !== "of" || rest[0] === execution.flow_id);
  await queries.invalidateQueries({
    queryKey: queryKeys.executions,
    predicate: (query) => isTouched(query) && !isHeadedBy(execution, query.queryKey),
  });
}

/** A page of the length that it has, where there are more. */
function withFirst({ executions, total }: ExecutionPage, execution: Execution): ExecutionPage {
  if (executions.some(({ id }) => id === execution.id)) return { executions, total };
  return { executions: [execution, ...executions.slice(0, executions.length < total ? -1 : undefined)], total: total + 1 };
}

/** Whether these are the newest runs of all flows or of the run's, whatever their status. */
function isHeadedBy({ flow_id }: Execution, [, kind, ...rest]: readonly unknown[]): boolean {
  const query = rest.at(-1) as QueryOf<"listExecutions">;
  const isOurs = kind === "list" ? query.flow_id === undefined || query.flow_id === flow_id : kind === "of" && rest[0] === flow_id;
  return isOurs && !query.offset && !query.status && !query.session_id;
}

const invalidateLists = (queries: QueryClient) =>
  queries.invalidateQueries({ queryKey: queryKeys.executions, predicate: ({ queryKey }) => queryKey[1] !== "one" });

export function useCancelExecution() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => client.flowsAPI.cancelExecution(id),
    onSettled: () => queries.invalidateQueries({ queryKey: queryKeys.executions }),
  });
}

/** Goes on from what a run has done, in a run of its own. */
export function useForkExecution() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, fork, ...options }: StartOptions & { id: string; fork: ForkRequest }) =>
      client.flowsAPI.forkExecution(id, fork, options),
    onSuccess: () => invalidateLists(queries),
  });
}

/** Goes on from the step that failed, in a run of its own. */
export function useRetryExecution() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, ...options }: StartOptions & { id: string }) => client.flowsAPI.retryExecution(id, options),
    onSuccess: () => invalidateLists(queries),
  });
}

/** What a run waits for; asked again every few seconds while `isAsking`. */
export function useExplanation(id: string, isAsking = true) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.explanation(id),
    queryFn: () => client.flowsAPI.explainExecution(id),
    enabled: isAsking,
    refetchInterval: isAsking ? AGAIN : false,
  });
}

/** Two runs step by step; asked for when both are named. */
export function useExecutionDiff(a: string, b: string) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.executionDiff(a, b),
    queryFn: () => client.flowsAPI.diffExecutions(a, b),
    enabled: a !== "" && b !== "",
    staleTime: FRESH,
  });
}

export interface ExecutionStream extends LiveRun {
  /** The last event of the run has come. */
  isOver: boolean;
  /** Why nothing more comes: an `ApiError` where the API refused. */
  error: unknown;
}

const BEFORE: ExecutionStream = { ...NOTHING_YET, isOver: false, error: undefined };

/** A run as it happens. When that ends it, what was kept of executions is read anew. */
export function useExecutionStream(id: string): ExecutionStream {
  const client = usePerdure();
  const queries = useQueryClient();
  const [stream, setStream] = useState(BEFORE);
  useEffect(() => {
    const leaving = new AbortController();
    setStream(BEFORE);
    const follow = async () => {
      for await (const frame of client.watchExecution(id, { signal: leaving.signal })) {
        if (leaving.signal.aborted) return;
        setStream((shown) => ({ ...shown, ...afterFrame(shown, frame) }));
      }
      if (leaving.signal.aborted) return;
      setStream((shown) => ({ ...shown, isOver: true }));
      const known = queries.getQueryData<Execution>(queryKeys.execution(id));
      if (UNDER_WAY.has(known?.status)) await queries.invalidateQueries({ queryKey: queryKeys.executions });
    };
    follow().catch((error: unknown) => {
      if (!leaving.signal.aborted) setStream((shown) => ({ ...shown, error }));
    });
    return () => leaving.abort();
  }, [client, id, queries]);
  return stream;
}
