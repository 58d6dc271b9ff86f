import type { ChangeEventData, Event, ExecutionEventData } from "./schema";

type AnyData = ExecutionEventData | ChangeEventData;

/** The data of one type of event: `ExecutionEventOf<"StepCompleted">`. */
export type ExecutionEventOf<Type extends ExecutionEventData["type"]> = Extract<ExecutionEventData, { type: Type }>;

/**
 * What an event tells, with its type in it, so that a `switch` over `type` narrows it. The types are those of the API
 * that this client was generated from; a later one may tell of more, so a `switch` needs a `default`.
 */
export function dataOf(event: Event & { aggregate_type: "Execution" }): ExecutionEventData;
export function dataOf(event: Event): AnyData;
export function dataOf(event: Event): AnyData {
  return { ...event.event_data, type: event.event_type } as AnyData;
}
