/** The bookkeeping of a run: what each of its nodes did so far, as `perdure/domain/ledger.py` keeps it. */

import type { ExecutionEventOf } from "./events";
import type { ExecutionEventData, Metrics, ModelUse, NodeExecution, PlannedNode } from "./schema";

/** The node types of tool calls: a tool's, and another flow's run called as one. Models are paid, these are not. */
const TOOLS = new Set(["tool", "flow"]);
/** What a step's output always says; the rest only where there is something to say. */
const MODEL_OUTPUT = new Set(["text", "model", "input_tokens", "output_tokens", "cost_usd", "finish_reason"]);
const TOOL_OUTPUT = new Set(["text", "is_error"]);
/** What a step says that did not get to its end. */
const STOPPED = "Stopped with the run.";

type Completed = ExecutionEventOf<"StepCompleted">;
type Failed = ExecutionEventOf<"StepFailed">;

/** Nodes in the order they were planned or met, each in its present state. */
export class Ledger {
  private readonly byId = new Map<string, NodeExecution>();
  private llmCalls = 0;
  private toolCalls = 0;
  private tokens = 0;
  private cost = 0;
  private isCostKnown = true;
  private reused = 0;

  constructor(planned: readonly PlannedNode[] = []) {
    for (const node of planned) this.byId.set(node.node_id, nodeOf(node.node_id, node, { status: "pending" }));
  }

  /** Every node in its present state. */
  get nodes(): NodeExecution[] {
    return [...this.byId.values()];
  }

  /** Enters one event of the run; those that concern no node change nothing. */
  apply(data: ExecutionEventData, at: string): void {
    switch (data.type) {
      case "StepScheduled":
        this.byId.set(
          data.step_id,
          nodeOf(data.step_id, data, { status: "running", input_data: data.input, started_at: at }),
        );
        return;
      case "StepReused":
        this.reuse(data, at);
        return;
      case "StepCompleted":
        this.complete(data);
        return;
      case "StepFailed":
        this.fail(data, at);
        return;
      case "StepCancelled":
        this.stopStep(data.step_id, at, 0);
    }
  }

  /** Ends what is still running with the run, and skips what has not begun. */
  stop(at: string): void {
    for (const node of this.nodes) {
      if (node.status === "running") this.stopStep(node.id, at, node.retry_count);
      else if (node.status === "pending") this.byId.set(node.id, { ...node, status: "skipped" });
    }
  }

  /** Counts. `until` is the run's end, or null while it runs. */
  metrics(startedAt: string, until: string | null): Metrics {
    const count = (status: NodeExecution["status"]) => this.nodes.filter((node) => node.status === status).length;
    return {
      total_nodes: this.byId.size,
      completed_nodes: count("completed"),
      failed_nodes: count("failed"),
      skipped_nodes: count("skipped"),
      total_duration_ms: until === null ? null : milliseconds(startedAt, until),
      llm_calls: this.llmCalls,
      llm_tokens: this.tokens,
      tool_calls: this.toolCalls,
      estimated_cost: this.isCostKnown ? Number(this.cost.toFixed(10)) : null,
      reused_steps: this.reused,
    };
  }

  private isTool(id: string): boolean {
    return TOOLS.has(this.byId.get(id)?.node_type ?? "");
  }

  /** Enters it as done, at no cost: that was paid by the run which did it. */
  private reuse(data: ExecutionEventOf<"StepReused">, at: string): void {
    this.reused += 1;
    const output = data.output && { ...data.output, reused_from: data.from_execution_id, edited: data.edited };
    this.byId.set(
      data.step_id,
      nodeOf(data.step_id, data, {
        status: data.error === null ? "completed" : "failed",
        input_data: data.input,
        output_data: output,
        error_message: data.error,
        started_at: at,
        completed_at: at,
        duration_ms: 0,
      }),
    );
  }

  private complete(data: Completed): void {
    if (!this.isTool(data.step_id)) this.pay(data.attempt, data);
    else {
      this.toolCalls += data.attempt;
      if (data.model_use) this.pay(data.model_use.calls, data.model_use);
    }
    const ended = { status: "completed", output_data: outputOf(data), retry_count: data.attempt - 1 } as const;
    this.end(data.step_id, data.finished_at, ended);
  }

  private fail(data: Failed, at: string): void {
    if (this.isTool(data.step_id)) this.toolCalls += data.attempt || 1;
    else {
      // One call an attempt, none where the provider could not even be called. What it cost, nobody says.
      const calls = data.kind === "configuration" ? 0 : (data.attempt ?? 0);
      this.llmCalls += calls;
      this.isCostKnown &&= calls === 0;
    }
    const retry_count = Math.max((data.attempt || 1) - 1, 0);
    this.end(data.step_id, at, { status: "failed", error_message: data.error, retry_count });
  }

  private stopStep(id: string, at: string, retry_count: number): void {
    this.isCostKnown &&= this.isTool(id);
    this.end(id, at, { status: "failed", error_message: STOPPED, retry_count });
  }

  private pay(calls: number, paid: Completed | ModelUse): void {
    this.llmCalls += calls;
    this.tokens += (paid.input_tokens ?? 0) + (paid.output_tokens ?? 0);
    this.isCostKnown &&= paid.cost_usd !== null;
    this.cost += paid.cost_usd ?? 0;
  }

  private end(id: string, at: string, ended: Partial<NodeExecution>): void {
    const node = this.byId.get(id);
    if (!node) throw new Error(`The event that ended step ${id} came before the one that began it.`);
    const duration_ms = node.started_at ? milliseconds(node.started_at, at) : null;
    const nothing = { output_data: null, error_message: null };
    this.byId.set(id, { ...node, ...nothing, ...ended, completed_at: at, duration_ms });
  }
}

function nodeOf(id: string, { node_id, node_type, node_label }: PlannedNode, state: Partial<NodeExecution>): NodeExecution {
  return {
    id,
    node_id,
    node_type,
    node_label,
    status: "pending",
    input_data: null,
    output_data: null,
    error_message: null,
    started_at: null,
    completed_at: null,
    duration_ms: null,
    retry_count: 0,
    ...state,
  };
}

function outputOf({ type: _, step_id: __, attempt: ___, finished_at: ____, ...said }: Completed): NodeExecution["output_data"] {
  const always = said.model === null ? TOOL_OUTPUT : MODEL_OUTPUT;
  const kept = Object.entries(said).filter(([name, value]) => always.has(name) || value !== null);
  return Object.fromEntries(kept) as NodeExecution["output_data"];
}

/** Whole milliseconds from one instant to another, never negative: clocks of two machines may differ. */
function milliseconds(start: string, end: string): number {
  const exact = ((microseconds(end) - microseconds(start)) / 1e6) * 1000;
  const below = Math.floor(exact);
  // Halves go to the even neighbour, as in Python.
  const rounded = exact - below === 0.5 ? below + (Math.abs(below) % 2) : Math.round(exact);
  return Math.max(rounded, 0);
}

/** Since 1970. A `Date` knows milliseconds only. */
function microseconds(time: string): number {
  const [, seconds = "", fraction = "", zone = ""] = /^(.*?)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$/.exec(time) ?? [];
  return Date.parse(seconds + zone) * 1000 + Number(fraction.slice(0, 6).padEnd(6, "0"));
}
