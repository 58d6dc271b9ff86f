import type { Http } from "../client";
import { taggedOf, valueOf } from "../problem";
import type { AgentflowCreate, ChatflowCreate, FlowUpdate } from "../schema";
import type { QueryOf } from "./query";

/** Fields that the API has defaults for need not be sent. */
export type New<T extends { name: string }> = Partial<T> & Pick<T, "name">;

const FLOW = "/api/agent-builder/flows/{flow_id}";
const versioned = (etag?: string) => (etag ? { headers: { "If-Match": etag } } : {});

export function callsOfFlows(http: Http) {
  const at = (flow_id: string) => ({ params: { path: { flow_id } } });
  return {
    getFlows: (query: QueryOf<"listFlows"> = {}) =>
      valueOf(http.GET("/api/agent-builder/flows", { params: { query } })),
    getFlow: (id: string) => valueOf(http.GET(FLOW, at(id))),
    /** The flow with the ETag for `updateFlow` and `deleteFlow`. */
    getTaggedFlow: (id: string) => taggedOf(http.GET(FLOW, at(id))),
    createAgentflow: (body: New<AgentflowCreate>) =>
      valueOf(http.POST("/api/agent-builder/agentflows", { body: body as AgentflowCreate })),
    createChatflow: (body: New<ChatflowCreate>) =>
      valueOf(http.POST("/api/agent-builder/chatflows", { body: body as ChatflowCreate })),
    /** Any subset of the fields. With `etag`, refused with 412 where the flow has changed since. */
    updateFlow: (id: string, body: FlowUpdate, etag?: string) =>
      valueOf(http.PUT(FLOW, { ...at(id), body, ...versioned(etag) })),
    deleteFlow: (id: string, etag?: string) => valueOf(http.DELETE(FLOW, { ...at(id), ...versioned(etag) })),
    getVersions: (flow_id: string, query: QueryOf<"listFlowVersions"> = {}) =>
      valueOf(http.GET("/api/agent-builder/flows/{flow_id}/versions", { params: { path: { flow_id }, query } })),
    getVersion: (flow_id: string, version: number) =>
      valueOf(
        http.GET("/api/agent-builder/flows/{flow_id}/versions/{version}", { params: { path: { flow_id, version } } }),
      ),
    diffVersions: (flow_id: string, version: number, other: number) =>
      valueOf(
        http.GET("/api/agent-builder/flows/{flow_id}/versions/{version}/diff/{other}", {
          params: { path: { flow_id, version, other } },
        }),
      ),
    restoreVersion: (flow_id: string, version: number) =>
      valueOf(
        http.POST("/api/agent-builder/flows/{flow_id}/versions/{version}/restore", {
          params: { path: { flow_id, version } },
        }),
      ),
  };
}
