import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import type { QueryOf } from "../calls/query";
import type { FlowFile } from "../schema";
import { usePerdure } from "./context";
import { FRESH } from "./freshness";
import { queryKeys } from "./keys";

/** Newest first. */
export function useFlowVersions(id: string, query: QueryOf<"listFlowVersions"> = {}) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.flowVersions(id, query),
    queryFn: () => client.flowsAPI.getVersions(id, query),
    staleTime: FRESH,
  });
}

/** A version never changes, so it is asked for once. */
export function useFlowVersion(id: string, version: number) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.flowVersion(id, version),
    queryFn: () => client.flowsAPI.getVersion(id, version),
    staleTime: Infinity,
  });
}

/** What changed from one version to another. */
export function useFlowVersionDiff(id: string, version: number, other: number) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.flowVersionDiff(id, version, other),
    queryFn: () => client.flowsAPI.diffVersions(id, version, other),
    staleTime: Infinity,
  });
}

export function useRestoreVersion() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, version }: { id: string; version: number }) => client.flowsAPI.restoreVersion(id, version),
    onSuccess: () => queries.invalidateQueries({ queryKey: queryKeys.flows }),
  });
}

export function useImportFlow() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (file: FlowFile) => client.flowsAPI.importFlow(file),
    onSuccess: () => queries.invalidateQueries({ queryKey: queryKeys.flowLists }),
  });
}

/** The stages that an agentflow's agents would run in. */
export function useExecutionPlan(id: string, isAgentflow = true) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.executionPlan(id),
    queryFn: () => client.flowsAPI.getExecutionPlan(id),
    enabled: isAgentflow,
    staleTime: FRESH,
  });
}
