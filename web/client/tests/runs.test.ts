import { expect, test } from "vitest";

import { teamGraph, timelineOf, type Event, type NodeExecution } from "../src/index";

const step = (id: string, fields: Partial<NodeExecution> = {}): NodeExecution => ({
  id,
  node_id: id,
  node_type: "agent",
  node_label: id,
  status: "completed",
  retry_count: 0,
  ...fields,
});

const agent = (id: string, dependencies: string[] = [], priority = 1) => ({ id, name: id.toUpperCase(), dependencies, priority });

test("answers go from who gave them to who was shown them, without those that come another way", () => {
  const after = (...labels: string[]) => ({ input_data: { after: labels } });
  const { nodes, edges } = teamGraph({
    node_executions: [step("a"), step("b", after("a")), step("c", { ...after("a", "b"), status: "running", retry_count: 2 })],
  });
  expect(edges).toEqual([
    { from: "a", to: "b", kind: "answer" },
    { from: "b", to: "c", kind: "answer" },
  ]);
  expect(nodes.at(-1)).toMatchObject({ id: "c", status: "running", steps: 1, retries: 2 });
});

test("a tool is a node beside the agent that calls it, however often", () => {
  const call = (id: string) => step(id, { node_id: "a", node_type: "tool", node_label: "search" });
  const { nodes, edges } = teamGraph({ node_executions: [step("a"), call("a/1"), call("a/2")] });
  expect(nodes.map(({ label, steps }) => [label, steps])).toEqual([["a", 1], ["search", 2]]);
  expect(edges).toEqual([{ from: "a", to: "a search", kind: "call" }]);
});

test("who has not begun stands where the team's flow puts them, by name or id, or one after another", () => {
  const team = { orchestration_type: "parallel", agents: [agent("a"), agent("b"), agent("c", ["A", "b"])] };
  const planned = teamGraph({ node_executions: [] }, team);
  expect(planned.edges.map(({ from, to, kind }) => [from, to, kind])).toEqual([["a", "c", "plan"], ["b", "c", "plan"]]);
  expect(planned.nodes.map(({ status }) => status)).toEqual(["pending", "pending", "pending"]);
  const chain = teamGraph({ node_executions: [] }, { orchestration_type: "sequential", agents: [agent("a", [], 2), agent("b", [], 1)] });
  expect(chain.edges).toEqual([{ from: "b", to: "a", kind: "plan" }]);
});

let version = 0;
const event = (event_type: string, second: number, event_data: Event["event_data"] = {}): Event => ({
  aggregate_id: "e",
  aggregate_type: "Execution",
  event_type,
  event_data,
  user_id: null,
  metadata: {},
  timestamp: `2026-01-01T00:00:${String(second).padStart(2, "0")}Z`,
  version: ++version,
});
const at = (second: number) => `2026-01-01T00:00:${String(second).padStart(2, "0")}Z`;

test("a step waits, is tried again, works; people are waited for; what is open goes on to the end", () => {
  const scheduled = (step_id: string) => ({ step_id, node_id: step_id, node_type: "agent", node_label: step_id, input: {} });
  const events = [
    event("StepScheduled", 1, scheduled("a")),
    event("StepStarted", 2, { step_id: "a", attempt: 1, last_error: null, worker: "w" }),
    event("StepCompleted", 5, { step_id: "a", attempt: 1 }),
    event("ApprovalRequested", 5, { approval_id: "p", title: "B begins" }),
    event("ApprovalClosed", 9, { approval_id: "p", decision: "approve" }),
    event("StepScheduled", 9, scheduled("b")),
    event("StepStarted", 20, { step_id: "b", attempt: 3, last_error: "no", worker: "w" }),
  ];
  const open = timelineOf(events);
  expect(open.map(({ id, attempts, spans }) => [id, attempts, spans.map(({ kind }) => kind)])).toEqual([
    ["a", 1, ["waiting", "working"]],
    ["p", 1, ["approval"]],
    ["b", 3, ["retrying", "working"]],
  ]);
  expect(open[0]?.spans[1]).toEqual({ kind: "working", from: at(2), to: at(5) });
  expect(open[2]?.spans[1]?.to).toBeNull();
  expect(timelineOf([...events, event("ExecutionCancelled", 30)])[2]?.spans[1]?.to).toBe(at(30));
});
