/** A run's events → when each of its steps waited, was tried again, worked, or waited for people. */

import { dataOf } from "./events";
import type { Event, ExecutionEventData } from "./schema";

export interface Span {
  /** `waiting`: for a worker. `retrying`: attempts that failed, and the pauses between them. `approval`: for people. */
  kind: "waiting" | "retrying" | "working" | "approval" | "reused";
  from: string;
  /** null: it goes on. */
  to: string | null;
}

export interface TimelineRow {
  id: string;
  label: string;
  type: string;
  spans: Span[];
  attempts: number;
}

/** The rows of a run's time line in the order of their beginning; times are those of Temporal's history. */
export function timelineOf(events: readonly Event[]): TimelineRow[] {
  const rows = new Map<string, TimelineRow>();
  for (const event of events) enter(rows, dataOf(event) as ExecutionEventData, event.timestamp);
  return [...rows.values()];
}

function enter(rows: Map<string, TimelineRow>, data: ExecutionEventData, at: string): void {
  switch (data.type) {
    case "StepScheduled":
      rows.set(data.step_id, row(data.step_id, data.node_label, data.node_type, { kind: "waiting", from: at, to: null }));
      return;
    case "StepReused":
      rows.set(data.step_id, row(data.step_id, data.node_label, data.node_type, { kind: "reused", from: at, to: at }));
      return;
    case "ApprovalRequested":
      rows.set(data.approval_id, row(data.approval_id, data.title, "approval", { kind: "approval", from: at, to: null }));
      return;
    case "StepStarted":
      start(rows.get(data.step_id), data.attempt, at);
      return;
    case "StepCompleted":
    case "StepFailed":
    case "StepCancelled":
      close(rows.get(data.step_id), at);
      return;
    case "ApprovalClosed":
      close(rows.get(data.approval_id), at);
      return;
    case "ExecutionCompleted":
    case "ExecutionFailed":
    case "ExecutionCancelled":
    case "ExecutionTerminated":
    case "ExecutionTimedOut":
    case "RunReset":
      for (const open of rows.values()) close(open, at);
  }
}

const row = (id: string, label: string, type: string, first: Span): TimelineRow => ({ id, label, type, spans: [first], attempts: 1 });

/** History tells of the attempt that closes a step: what was before it were attempts that failed, if it is not the first. */
function start(row: TimelineRow | undefined, attempt: number, at: string): void {
  const before = row?.spans.at(-1);
  if (!row || !before) return;
  if (attempt > 1) before.kind = "retrying";
  before.to = at;
  row.attempts = attempt;
  row.spans.push({ kind: "working", from: at, to: null });
}

function close(row: TimelineRow | undefined, at: string): void {
  const last = row?.spans.at(-1);
  if (last && last.to === null) last.to = at;
}
