import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import type { StartOptions } from "../calls/executions";
import type { QueryOf } from "../calls/query";
import { afterFrame, NOTHING_YET, type LiveRun } from "../live";
import type { JsonValue } from "../schema";
import { usePerdure } from "./context";
import { FRESH } from "./flows";
import { queryKeys } from "./keys";

export function useFlowExecutions(flowId: string, query: QueryOf<"listFlowExecutions"> = {}) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.flowExecutions(flowId, query),
    queryFn: () => client.flowsAPI.getExecutions(flowId, query),
    staleTime: FRESH,
  });
}

export function useExecution(id: string) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.execution(id),
    queryFn: () => client.flowsAPI.getExecution(id),
    staleTime: FRESH,
  });
}

export interface FlowStart extends StartOptions {
  id: string;
  inputData: Record<string, JsonValue>;
}

export function useExecuteFlow() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, inputData, ...options }: FlowStart) => client.flowsAPI.executeFlow(id, inputData, options),
    onSuccess: (execution) => {
      queries.setQueryData(queryKeys.execution(execution.id), execution);
      void queries.invalidateQueries({ queryKey: ["executions", "of"] });
    },
  });
}

export function useCancelExecution() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => client.flowsAPI.cancelExecution(id),
    onSettled: () => queries.invalidateQueries({ queryKey: queryKeys.executions }),
  });
}

export interface ExecutionStream extends LiveRun {
  /** The last event of the run has come. */
  isOver: boolean;
  /** Why nothing more comes: an `ApiError` where the API refused. */
  error: unknown;
}

const BEFORE: ExecutionStream = { ...NOTHING_YET, isOver: false, error: undefined };

/** A run as it happens. When it is over, what was kept of its executions is read anew. */
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
      await queries.invalidateQueries({ queryKey: queryKeys.executions });
    };
    follow().catch((error: unknown) => {
      if (!leaving.signal.aborted) setStream((shown) => ({ ...shown, error }));
    });
    return () => leaving.abort();
  }, [client, id, queries]);
  return stream;
}
