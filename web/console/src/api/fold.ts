import type { Event, Execution } from "./client";
import type { components } from "./schema";
import type { Frame } from "./stream";

type Step = components["schemas"]["NodeExecution"];
type Data = Record<string, unknown>;

/** A run after some of its events: what the live page and the time slider show alike. */
export interface RunView {
  status: Execution["status"];
  steps: Step[];
  tokens: number;
  /** In USD; null when a part of it is not known. */
  cost: number | null;
  output: Data | null;
  error: string | null;
  last: Event | null;
}

interface Open extends RunView {
  byId: Map<string, Step>;
}

const ENDINGS: Record<string, Execution["status"]> = {
  ExecutionCompleted: "completed",
  ExecutionFailed: "failed",
  ExecutionTerminated: "failed",
  ExecutionTimedOut: "failed",
  ExecutionCancelled: "cancelled",
};

/** The state after the last of `events`, which are a run's first ones in order; as `perdure/record/fold.py` folds them. */
export function fold(events: Event[]): RunView {
  const run: Open = {
    status: "running", steps: [], tokens: 0, cost: 0, output: null, error: null, last: events.at(-1) ?? null, byId: new Map(),
  };
  for (const event of counting(events)) apply(run, event);
  const { byId, ...view } = run;
  return { ...view, steps: [...byId.values()] };
}

/** Those that count in the latest run: an operator's reset leaves behind what came after `to_version`. */
function counting(events: Event[]): Event[] {
  const lines = new Map<unknown, Event[]>();
  let current: unknown;
  for (const event of events) {
    const run = event.metadata.run_id;
    if (event.event_type === "RunReset") {
      const { base_run_id, to_version } = event.event_data as Data;
      const base = lines.get(base_run_id) ?? lines.get(current) ?? [];
      lines.set(run, base.filter(({ version }) => to_version == null || version <= Number(to_version)));
    } else {
      const line = lines.get(run) ?? [...(lines.get(current) ?? [])];
      line.push(event);
      lines.set(run, line);
    }
    current = run;
  }
  return lines.get(current) ?? [];
}

function apply(run: Open, { event_type, event_data, timestamp }: Event): void {
  const data = event_data as Data;
  const id = String(data.step_id);
  const ending = ENDINGS[event_type];
  if (event_type === "ExecutionStarted") {
    for (const node of (data.nodes ?? []) as Data[]) run.byId.set(String(node.node_id), step(String(node.node_id), node, "pending"));
  } else if (event_type === "StepScheduled") {
    run.byId.set(id, { ...step(id, data, "running"), started_at: timestamp, input_data: data.input as Step["input_data"] });
  } else if (event_type === "StepReused") {
    const times = { started_at: timestamp, completed_at: timestamp, duration_ms: 0 };
    const status = data.error == null ? "completed" : "failed";
    run.byId.set(id, { ...step(id, data, status), ...times, output_data: data.output as Step["output_data"], error_message: data.error as string | null });
  } else if (event_type === "StepCompleted") {
    complete(run, id, data);
  } else if (event_type === "StepFailed" || event_type === "StepCancelled") {
    const isFree = isTool(run.byId.get(id)) || (event_type === "StepFailed" && !data.model_calls);
    if (!isFree) run.cost = null;
    end(run, id, timestamp, "failed", { error_message: (data.error as string) ?? null, retry_count: Math.max(Number(data.attempt ?? 1) - 1, 0) });
  } else if (ending) {
    stop(run, timestamp);
    run.status = ending;
    run.output = (data.output_data as Data | undefined) ?? null;
    run.error = (data.error as string | undefined) ?? (data.reason as string | undefined) ?? null;
  }
}

function complete(run: Open, id: string, data: Data): void {
  const paid = isTool(run.byId.get(id)) ? (data.model_use as Data | null | undefined) : data;
  if (paid) {
    run.tokens += Number(paid.input_tokens ?? 0) + Number(paid.output_tokens ?? 0);
    run.cost = run.cost === null || paid.cost_usd == null ? null : run.cost + Number(paid.cost_usd);
  }
  const retries = Number(data.attempt ?? 1) - 1;
  end(run, id, String(data.finished_at), "completed", { output_data: data as Step["output_data"], retry_count: retries });
}

function stop(run: Open, at: string): void {
  for (const [id, { status, retry_count }] of run.byId) {
    if (status === "running") {
      if (!isTool(run.byId.get(id))) run.cost = null;
      end(run, id, at, "failed", { retry_count });
    } else if (status === "pending") {
      run.byId.set(id, { ...(run.byId.get(id) as Step), status: "skipped" });
    }
  }
}

function end(run: Open, id: string, at: string, status: Step["status"], more: Partial<Step>): void {
  const before = run.byId.get(id);
  if (!before) return;
  const spent = before.started_at ? Math.max(Date.parse(at) - Date.parse(before.started_at), 0) : null;
  run.byId.set(id, { ...before, ...more, status, completed_at: at, duration_ms: spent });
}

function isTool(of: Step | undefined): boolean {
  return of?.node_type === "tool" || of?.node_type === "flow";
}

function step(id: string, data: Data, status: Step["status"]): Step {
  return {
    id, node_id: String(data.node_id), node_type: String(data.node_type), node_label: String(data.node_label), status,
    input_data: null, output_data: null, error_message: null, started_at: null, completed_at: null, duration_ms: null, retry_count: 0,
  };
}

/** Events by version and the words of each step's present attempt. */
export interface Followed {
  events: Event[];
  words: Record<string, string>;
}

/** What is known of a run after one more frame of its stream. */
export function take({ events, words }: Followed, { type, data }: Frame): Followed {
  if (type === "execution_update") {
    const event = data as Event;
    return { words, events: event.version > (events.at(-1)?.version ?? 0) ? [...events, event] : events };
  }
  const { node_id, text } = data as { node_id: string; text: string };
  if (type === "step_started") return { events, words: { ...words, [node_id]: "" } };
  if (type === "token") return { events, words: { ...words, [node_id]: (words[node_id] ?? "") + text } };
  return { events, words };
}
