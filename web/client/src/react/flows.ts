import { keepPreviousData, type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useCallback } from "react";

import type { PerdureClient } from "../client";
import type { New } from "../calls/flows";
import type { QueryOf } from "../calls/query";
import type { Tagged } from "../problem";
import type { AgentflowCreate, ChatflowCreate, FlowPage, FlowUpdate } from "../schema";
import { usePerdure } from "./context";
import { FRESH } from "./freshness";
import { queryKeys } from "./keys";

type AnyFlow = Awaited<ReturnType<PerdureClient["flowsAPI"]["getFlow"]>>;

const oneFlow = (client: PerdureClient, queries: QueryClient, id: string) => ({
  queryKey: queryKeys.flow(id),
  queryFn: () => client.flowsAPI.getTaggedFlow(id),
  staleTime: FRESH,
  initialData: () => inLists(queries, id)?.flow,
  initialDataUpdatedAt: () => inLists(queries, id)?.updatedAt,
});

/** A flow as the latest of the kept lists has it; whether that is still fresh is said by its time. */
function inLists(queries: QueryClient, id: string): { flow: Tagged<AnyFlow>; updatedAt: number } | undefined {
  return queries
    .getQueryCache()
    .findAll({ queryKey: queryKeys.flowLists })
    .flatMap(({ state }) => {
      const found = (state.data as FlowPage | undefined)?.flows.find((flow) => flow.id === id);
      // Of an ETag, an edit's `If-Match` needs the version alone.
      return found ? [{ flow: { value: found, etag: `"${found.version}"` }, updatedAt: state.isInvalidated ? 0 : state.dataUpdatedAt }] : [];
    })
    .sort((a, b) => b.updatedAt - a.updatedAt)[0];
}

export function useFlows(query: QueryOf<"listFlows"> = {}) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.flowList(query),
    queryFn: () => client.flowsAPI.getFlows(query),
    placeholderData: keepPreviousData,
    staleTime: FRESH,
  });
}

export const useAgentflows = (query: QueryOf<"listFlows"> = {}) => useFlows({ ...query, flow_type: "agentflow" });
export const useChatflows = (query: QueryOf<"listFlows"> = {}) => useFlows({ ...query, flow_type: "chatflow" });

const untagged = ({ value }: Tagged<AnyFlow>) => value;

export function useFlow(id: string) {
  return useQuery({ ...oneFlow(usePerdure(), useQueryClient(), id), select: untagged });
}

/** The flow with its ETag: what a form keeps from the moment that editing began. */
export function useTaggedFlow(id: string) {
  return useQuery(oneFlow(usePerdure(), useQueryClient(), id));
}

/** A function that reads a flow before it is opened, such as when its link is pointed at. */
export function usePrefetchFlow() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useCallback((id: string) => queries.prefetchQuery(oneFlow(client, queries, id)), [client, queries]);
}

export function useCreateAgentflow() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (flow: New<AgentflowCreate>) => client.flowsAPI.createAgentflow(flow),
    onSuccess: () => queries.invalidateQueries({ queryKey: queryKeys.flowLists }),
  });
}

export function useCreateChatflow() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (flow: New<ChatflowCreate>) => client.flowsAPI.createChatflow(flow),
    onSuccess: () => queries.invalidateQueries({ queryKey: queryKeys.flowLists }),
  });
}

/** `etag`: that of the flow that the changes were made to; refused with 412 where it has changed since. */
export interface FlowChange {
  id: string;
  changes: FlowUpdate;
  etag?: string;
}

/** Keeps what an update answered, so that the flow is not asked for again; lists, versions and plans of it are. */
function keepUpdated(queries: QueryClient, id: string, updated: Tagged<AnyFlow>) {
  queries.setQueryData(queryKeys.flow(id), updated);
  const others = [queryKeys.flowLists, queryKeys.versionsOfFlow(id), queryKeys.executionPlan(id)];
  return Promise.all(others.map((queryKey) => queries.invalidateQueries({ queryKey })));
}

const readAnew = (queries: QueryClient) => queries.invalidateQueries({ queryKey: queryKeys.flows });

export function useUpdateFlow() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, changes, etag }: FlowChange) => client.flowsAPI.updateTaggedFlow(id, changes, etag),
    onSuccess: (updated, { id }) => keepUpdated(queries, id, updated),
    // It may have been refused because somebody else has changed or deleted the flow.
    onError: () => readAnew(queries),
  });
}

/**
 * Shows the changes at once and takes them back when they are refused. Without `etag`, that of the flow as it is shown
 * is sent: an edit made meanwhile by somebody else is never overwritten.
 */
export function useOptimisticUpdateFlow() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    // One after another: a later edit is made to what the earlier one left.
    scope: { id: "flow-updates" },
    mutationFn: ({ id, changes, etag }: FlowChange) => {
      const shown = queries.getQueryData<Tagged<AnyFlow>>(queryKeys.flow(id));
      return client.flowsAPI.updateTaggedFlow(id, changes, etag ?? shown?.etag);
    },
    onMutate: async ({ id, changes }) => {
      const queryKey = queryKeys.flow(id);
      await queries.cancelQueries({ queryKey });
      const before = queries.getQueryData<Tagged<AnyFlow>>(queryKey);
      if (before) queries.setQueryData(queryKey, { ...before, value: { ...before.value, ...changes } as AnyFlow });
      return { before };
    },
    onSuccess: (updated, { id }) => keepUpdated(queries, id, updated),
    onError: (_error, { id }, context) => {
      if (context?.before) queries.setQueryData(queryKeys.flow(id), context.before);
      return readAnew(queries);
    },
  });
}

export function useDeleteFlow() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, etag }: { id: string; etag?: string }) => client.flowsAPI.deleteFlow(id, etag),
    onSuccess: (_deleted, { id }) => {
      queries.removeQueries({ queryKey: queryKeys.flow(id) });
      return queries.invalidateQueries({ queryKey: queryKeys.flowLists });
    },
  });
}
