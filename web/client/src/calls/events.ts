import type { Http } from "../client";
import { valueOf } from "../problem";
import type { QueryOf } from "./query";

export function callsOfEvents(http: Http) {
  return {
    getAggregateEvents: (aggregate_id: string, query: QueryOf<"listEvents"> = {}) =>
      valueOf(http.GET("/api/events/aggregate/{aggregate_id}", { params: { path: { aggregate_id }, query } })),
    /** The events up to and including a version. */
    replayEvents: (aggregate_id: string, query: QueryOf<"replayEvents"> = {}) =>
      valueOf(http.GET("/api/events/replay/{aggregate_id}", { params: { path: { aggregate_id }, query } })),
    /** The aggregate as it stood at a version or a time. */
    getState: (aggregate_id: string, query: QueryOf<"getState"> = {}) =>
      valueOf(http.GET("/api/events/state/{aggregate_id}", { params: { path: { aggregate_id }, query } })),
    /** The JSON Schema of every event. */
    getEventSchema: () => valueOf(http.GET("/api/events/schema")),
  };
}
