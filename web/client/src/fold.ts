/** A run's events → its state after them, as `perdure/record/fold.py` folds them. Any prefix of the events is a state. */

import { dataOf, type ExecutionEventOf } from "./events";
import { Ledger } from "./ledger";
import type { Event, ExecutionEventData, ExecutionState, PendingApproval } from "./schema";

type Ending = ExecutionEventOf<
  "ExecutionCompleted" | "ExecutionFailed" | "ExecutionCancelled" | "ExecutionTerminated" | "ExecutionTimedOut"
>;

/** What the events so far have told. */
interface Told {
  ledger: Ledger;
  started: { data: ExecutionEventOf<"ExecutionStarted">; at: string } | null;
  ending: { data: Ending; at: string } | null;
  isCancelling: boolean;
  attempts: ExecutionState["attempts"];
  memory: ExecutionState["memory"];
  approvals: Map<string, PendingApproval>;
  decisions: ExecutionState["decisions"];
}

/** The state after the last of `events`, which are a run's first ones in order; null where there are none. */
export function stateAfter(events: readonly Event[]): ExecutionState | null {
  const last = events.at(-1);
  if (!last) return null;
  const told: Told = {
    ledger: new Ledger(),
    started: null,
    ending: null,
    isCancelling: false,
    attempts: {},
    memory: null,
    approvals: new Map(),
    decisions: [],
  };
  for (const event of counting(events)) enter(told, dataOf(event) as ExecutionEventData, event.timestamp);
  return shown(told, last);
}

/** Those that count in the latest run: an operator's reset leaves behind what came after `to_version`. */
function counting(events: readonly Event[]): Event[] {
  // By run in Temporal's sense: the events that count in it, those kept of its base included.
  const lines = new Map<unknown, Event[]>();
  let current: unknown;
  for (const event of events) {
    const run = event.metadata.run_id;
    const data = dataOf(event);
    if (data.type === "RunReset") {
      const { base_run_id, to_version } = data;
      const base = lines.get(base_run_id) ?? lines.get(current) ?? [];
      lines.set(run, base.filter(({ version }) => to_version === null || version <= to_version));
    } else {
      // A run that continues another goes on with its line.
      const line = lines.get(run) ?? [...(lines.get(current) ?? [])];
      line.push(event);
      lines.set(run, line);
    }
    current = run;
  }
  return lines.get(current) ?? [];
}

function enter(told: Told, data: ExecutionEventData, at: string): void {
  if (data.type === "ExecutionStarted") {
    told.ledger = new Ledger(data.nodes);
    told.started = { data, at };
  }
  told.ledger.apply(data, at);
  switch (data.type) {
    case "StepStarted":
    case "StepFailed":
      told.attempts[data.step_id] = data.attempt || (told.attempts[data.step_id] ?? 0);
      return;
    case "StepCompleted":
      told.attempts[data.step_id] = data.attempt || (told.attempts[data.step_id] ?? 0);
      told.memory = data.memory ?? told.memory;
      return;
    case "DecisionMade":
    case "HandedOver":
    case "VotesCounted":
    case "ModelFellBack":
    case "AgentLeftOut":
      told.decisions.push(data);
      return;
    case "ApprovalRequested":
      told.approvals.set(data.approval_id, { ...data, approved_by: [] });
      return;
    case "ApprovalCounted":
      count(told.approvals, data);
      return;
    case "ApprovalClosed":
      told.approvals.delete(data.approval_id);
      return;
    case "CancelRequested":
      told.isCancelling = true;
      return;
    case "ExecutionCompleted":
    case "ExecutionFailed":
    case "ExecutionCancelled":
    case "ExecutionTerminated":
    case "ExecutionTimedOut":
      told.ending = { data, at };
      told.approvals.clear();
  }
}

function count(approvals: Map<string, PendingApproval>, counted: ExecutionEventOf<"ApprovalCounted">): void {
  const pending = approvals.get(counted.approval_id);
  if (!pending) return;
  const { arguments: agreed, revision, approved_by } = counted;
  approvals.set(counted.approval_id, { ...pending, arguments: agreed, revision, approved_by });
}

function shown(told: Told, last: Event): ExecutionState {
  const { ledger, started, ending } = told;
  if (ending) ledger.stop(ending.at);
  const start = started?.data;
  const startedAt = started?.at ?? last.timestamp;
  return {
    aggregate_id: last.aggregate_id,
    aggregate_type: "Execution",
    version: last.version,
    timestamp: last.timestamp,
    ...outcome(ending?.data),
    flow_id: start?.flow_id ?? null,
    flow_type: start?.flow_type ?? null,
    flow_name: start?.flow_name ?? null,
    flow_version: start?.flow_version ?? null,
    session_id: start?.session_id ?? null,
    input_data: start?.input_data ?? {},
    started_at: startedAt,
    completed_at: ending?.at ?? null,
    cancel_requested: told.isCancelling,
    node_executions: ledger.nodes,
    attempts: told.attempts,
    memory: told.memory,
    pending_approvals: [...told.approvals.values()],
    decisions: told.decisions,
    metrics: ledger.metrics(startedAt, ending?.at ?? null),
  };
}

function outcome(ending: Ending | undefined): Pick<ExecutionState, "status" | "output_data" | "error_message"> {
  const failed = (error_message: string) => ({ status: "failed" as const, output_data: null, error_message });
  switch (ending?.type) {
    case undefined:
      return { status: "running", output_data: null, error_message: null };
    case "ExecutionCompleted":
      return { status: "completed", output_data: ending.output_data, error_message: null };
    case "ExecutionFailed":
      return failed(ending.error);
    case "ExecutionTerminated":
      return failed(`Terminated from outside${ending.reason ? `: ${ending.reason}` : "."}`);
    case "ExecutionTimedOut":
      return failed("The run took longer than it was allowed to.");
    case "ExecutionCancelled":
      return { status: "cancelled", output_data: null, error_message: null };
  }
}
