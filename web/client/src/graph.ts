/** A run's state → who works for whom: the nodes of its team and what goes between them. */

import type { ExecutionState, NodeExecution, NodeStatus } from "./schema";

/** Who there is in a team, as its flow says it. */
export interface Team {
  orchestration_type: string;
  /** `dependencies`: ids or names. */
  agents?: { id?: string; name: string; dependencies?: string[]; priority?: number }[];
}

export interface TeamNode {
  id: string;
  label: string;
  /** `agent`, `supervisor`, `tool` …, as steps have it. */
  type: string;
  status: NodeStatus;
  /** How many steps it has had, and how often one of them was tried again. */
  steps: number;
  retries: number;
}

export interface TeamEdge {
  from: string;
  to: string;
  /** `answer`: `to` is given what `from` said. `call`: `from` calls the tool `to`. `plan`: it will be so. */
  kind: "answer" | "call" | "plan";
}

export interface TeamGraph {
  nodes: TeamNode[];
  edges: TeamEdge[];
}

const TOOLS = new Set(["tool", "flow"]);

/**
 * The graph of a run so far. `team` adds who has not begun and after whom they will: where it is not known, those steps
 * that were scheduled tell it alone. An answer that also comes by way of another node has no edge of its own.
 */
export function teamGraph(state: Pick<ExecutionState, "node_executions">, team?: Team): TeamGraph {
  const nodes = new Map<string, TeamNode>();
  const agents = (team?.agents ?? []).map((agent) => ({ dependencies: [], priority: 1, ...agent, id: agent.id ?? agent.name }));
  for (const agent of agents) nodes.set(agent.id, waiting(agent.id, agent.name));
  for (const step of state.node_executions) enter(nodes, step);
  const edges = new Map<string, TeamEdge>();
  const connect: Connect = (from, to, kind) => {
    const key = `${from} ${to}`;
    if (from !== undefined && from !== to && nodes.has(from) && !edges.has(key)) edges.set(key, { from, to, kind });
  };
  const byLabel = new Map([...nodes.values()].map(({ id, label }) => [label, id]));
  for (const step of state.node_executions) {
    if (TOOLS.has(step.node_type)) connect(step.node_id, keyOf(step), "call");
    for (const label of answersBefore(step)) connect(byLabel.get(label), keyOf(step), "answer");
  }
  if (team) plan(team.orchestration_type, agents, byLabel, connect);
  return { nodes: [...nodes.values()], edges: withoutDetours([...edges.values()]) };
}

/** A tool is another node for each agent that calls it. */
const keyOf = (step: NodeExecution) => (TOOLS.has(step.node_type) ? `${step.node_id} ${step.node_label}` : step.node_id);

const waiting = (id: string, label: string): TeamNode => ({ id, label, type: "agent", status: "pending", steps: 0, retries: 0 });

function enter(nodes: Map<string, TeamNode>, step: NodeExecution): void {
  const id = keyOf(step);
  const before = nodes.get(id) ?? waiting(id, step.node_label);
  const isBegun = step.status !== "pending" && step.status !== "skipped";
  nodes.set(id, {
    ...before,
    type: step.node_type,
    status: before.status === "running" ? "running" : step.status,
    steps: before.steps + (isBegun ? 1 : 0),
    retries: before.retries + step.retry_count,
  });
}

/** The labels of those whose answers a step was given. */
function answersBefore(step: NodeExecution): string[] {
  const after = step.input_data?.after;
  return Array.isArray(after) ? after.filter((label) => typeof label === "string") : [];
}

type Connect = (from: string | undefined, to: string, kind: TeamEdge["kind"]) => void;

interface Member {
  id: string;
  dependencies: string[];
  priority: number;
}

function plan(pattern: string, agents: Member[], byLabel: Map<string, string>, connect: Connect): void {
  const ids = new Set(agents.map(({ id }) => id));
  for (const agent of agents) {
    for (const named of agent.dependencies) connect(ids.has(named) ? named : byLabel.get(named), agent.id, "plan");
  }
  if (pattern !== "sequential" || agents.some(({ dependencies }) => dependencies.length > 0)) return;
  const order = [...agents].sort((a, b) => a.priority - b.priority);
  order.slice(1).forEach((agent, index) => connect(order[index]?.id, agent.id, "plan"));
}

/** Without the edges whose ends are joined by way of others. */
function withoutDetours(edges: TeamEdge[]): TeamEdge[] {
  return edges.filter((edge) => {
    const reached = new Set([edge.from]);
    const open = [edge.from];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      for (const next of edges) {
        if (next === edge || next.from !== at || reached.has(next.to)) continue;
        reached.add(next.to);
        open.push(next.to);
      }
    }
    return !reached.has(edge.to);
  });
}
