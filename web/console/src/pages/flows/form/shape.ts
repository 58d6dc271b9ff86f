import type { FlowPage, FlowUpdate, PerdureClient } from "@perdure/client";
import { newAgent } from "./agentflow";

type Flow = FlowPage["flows"][number] | FlowDefinition;
/** A flow of a former version, which tells nothing of runs. */
type FlowDefinition = Awaited<ReturnType<PerdureClient["flowsAPI"]["getVersion"]>>;
type Json = Record<string, unknown>;

/** What callers may set of either kind; the rest is the product's. */
const COMMON = ["name", "description", "tags", "category", "is_active", "is_public"];
const OWN = {
  agentflow: ["orchestration_type", "orchestration_config", "supervisor_config", "agents"],
  chatflow: ["chat_config", "memory_config", "rag_config", "tools"],
} as const;

/** A new flow, as its form begins: what is not in it has the API's defaults. */
export function newFlow(kind: Flow["flow_type"]): Json {
  const shared = { name: "", tags: [], is_active: true, is_public: false };
  if (kind === "agentflow") return { ...shared, orchestration_type: "sequential", agents: [newAgent()], supervisor_config: { decision_strategy: "llm_based" }, orchestration_config: { on_agent_failure: "fail" } };
  return { ...shared, chat_config: { concurrent_turns: "queue" }, memory_config: { type: "buffer" }, rag_config: { retrieval_strategy: "similarity" } };
}

/** A flow as its form shows it: agents are named by their ids, so that names can change. */
export function shapeOf(flow: Flow): Json {
  const shown = pick(flow as unknown as Json, [...COMMON, ...OWN[flow.flow_type]]);
  if (flow.flow_type !== "agentflow") return shown;
  const agents = flow.agents ?? [];
  const ids = new Map(agents.map(({ id, name }) => [name, id]));
  const byId = new Set(agents.map(({ id }) => id));
  const idOf = (named: string) => (byId.has(named) ? named : (ids.get(named) ?? named));
  const { rules = [], ...supervisor } = flow.supervisor_config ?? {};
  return {
    ...shown,
    agents: agents.map((agent) => ({ ...agent, dependencies: (agent.dependencies ?? []).map(idOf) })),
    supervisor_config: { ...supervisor, rules: rules.map((rule) => ({ ...rule, agent: idOf(rule.agent) })) },
  };
}

/** The fields that were changed, as `PUT` takes them. */
export function changesOf(before: Json, after: Json): FlowUpdate {
  const changed = Object.keys(after).filter((name) => JSON.stringify(after[name]) !== JSON.stringify(before[name]));
  return pick(after, changed) as FlowUpdate;
}

const pick = (from: Json, names: readonly string[]): Json => Object.fromEntries(names.map((name) => [name, from[name]]));
