import type { Http } from "../client";
import { valueOf } from "../problem";
import type { FlowFile } from "../schema";
import type { QueryOf } from "./query";

export function callsOfVersions(http: Http) {
  const FLOW = "/api/agent-builder/flows/{flow_id}";
  return {
    /** Newest first. */
    getVersions: (flow_id: string, query: QueryOf<"listFlowVersions"> = {}) =>
      valueOf(http.GET(`${FLOW}/versions`, { params: { path: { flow_id }, query } })),
    getVersion: (flow_id: string, version: number) =>
      valueOf(http.GET(`${FLOW}/versions/{version}`, { params: { path: { flow_id, version } } })),
    diffVersions: (flow_id: string, version: number, other: number) =>
      valueOf(http.GET(`${FLOW}/versions/{version}/diff/{other}`, { params: { path: { flow_id, version, other } } })),
    /** Makes an old version the newest, as a version of its own. */
    restoreVersion: (flow_id: string, version: number) =>
      valueOf(http.POST(`${FLOW}/versions/{version}/restore`, { params: { path: { flow_id, version } } })),
    /** The flow as a file that `importFlow` takes, here or elsewhere; the newest version unless one is named. */
    exportFlow: (flow_id: string, version?: number) =>
      valueOf(http.GET(`${FLOW}/export`, { params: { path: { flow_id }, query: version === undefined ? {} : { version } } })),
    /** Makes a flow of its own out of an exported one. */
    importFlow: (body: FlowFile) => valueOf(http.POST("/api/agent-builder/flows/import", { body })),
  };
}
