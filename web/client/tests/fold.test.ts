import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

import { stateAfter, type Event, type ExecutionState } from "../src/index";

/** Recorded by tests/replay/record_states.py: what the API tells of runs, and of their states at every version. */
const runs = JSON.parse(readFileSync(new URL("fixtures/runs.json", import.meta.url), "utf8")) as Record<
  string,
  { events: Event[]; states: ExecutionState[] }
>;

test.each(Object.entries(runs))("%s is at every version what the API says", (_name, { events, states }) => {
  expect(events.length).toBeGreaterThan(1);
  for (const [index, state] of states.entries()) expect(stateAfter(events.slice(0, index + 1))).toEqual(state);
});

test("before the first event there is no state", () => {
  expect(stateAfter([])).toBeNull();
});
