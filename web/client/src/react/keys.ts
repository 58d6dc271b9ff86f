import type { QueryOf } from "../calls/query";

/** The keys of everything that the hooks keep, from the general to the particular. */
export const queryKeys = {
  flows: ["flows"] as const,
  flowLists: ["flows", "list"] as const,
  flowList: (query: QueryOf<"listFlows">) => ["flows", "list", query] as const,
  flow: (id: string) => ["flows", "one", id] as const,
  executions: ["executions"] as const,
  flowExecutions: (flowId: string, query: QueryOf<"listFlowExecutions">) => ["executions", "of", flowId, query] as const,
  execution: (id: string) => ["executions", "one", id] as const,
};
