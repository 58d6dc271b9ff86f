import type { Http } from "../client";
import { taggedOf, valueOf } from "../problem";
import type { AgentCreate, AgentflowCreate, AgentUpdate, ChatflowCreate, FlowUpdate } from "../schema";
import type { QueryOf } from "./query";

/** Fields that the API has defaults for need not be sent. */
export type New<T extends { name: string }> = Partial<T> & Pick<T, "name">;

const FLOW = "/api/agent-builder/flows/{flow_id}";
const AGENTFLOW = "/api/agent-builder/agentflows/{flow_id}";
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
    /** The same; with the ETag of what it has become. */
    updateTaggedFlow: (id: string, body: FlowUpdate, etag?: string) =>
      taggedOf(http.PUT(FLOW, { ...at(id), body, ...versioned(etag) })),
    deleteFlow: (id: string, etag?: string) => valueOf(http.DELETE(FLOW, { ...at(id), ...versioned(etag) })),
    /** The stages that the agents would run in, without running them. */
    getExecutionPlan: (id: string) => valueOf(http.GET(`${AGENTFLOW}/execution-plan`, at(id))),
    addAgent: (id: string, body: New<AgentCreate>) =>
      valueOf(http.POST(`${AGENTFLOW}/agents`, { ...at(id), body: body as AgentCreate })),
    updateAgent: (flow_id: string, agent_id: string, body: AgentUpdate) =>
      valueOf(http.PUT(`${AGENTFLOW}/agents/{agent_id}`, { params: { path: { flow_id, agent_id } }, body })),
    removeAgent: (flow_id: string, agent_id: string) =>
      valueOf(http.DELETE(`${AGENTFLOW}/agents/{agent_id}`, { params: { path: { flow_id, agent_id } } })),
  };
}
