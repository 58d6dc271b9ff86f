import type { Http } from "../client";
import { valueOf } from "../problem";
import type { ChatRequest, MemoryConfig } from "../schema";
import { keyed } from "./executions";
import type { QueryOf } from "./query";

export function callsOfChats(http: Http) {
  const at = (session_id: string) => ({ params: { path: { session_id } } });
  const SESSION = "/api/agent-builder/chatflow/sessions/{session_id}";
  const getHistory = (session_id: string, query: QueryOf<"readSessionHistory"> = {}) =>
    valueOf(http.GET(`${SESSION}/history`, { params: { path: { session_id }, query } }));
  return {
    /** One turn; waits for the answer. */
    chat: (flow_id: string, body: ChatRequest) =>
      valueOf(
        http.POST("/api/agent-builder/chatflow/workflows/{flow_id}/chat", { params: { path: { flow_id } }, body }),
      ),
    /**
     * Starts one turn and returns its execution at once; `watchTurn` tells the answer as it is written. The message
     * stands in no address, and may be as long as the API takes. Sent again with the same key, it starts nothing.
     */
    sendMessage: (flow_id: string, { message, session_id }: ChatRequest, idempotencyKey?: string) =>
      valueOf(
        http.POST("/api/agent-builder/flows/{flow_id}/execute", {
          params: { path: { flow_id }, header: keyed(idempotencyKey) },
          body: { input_data: session_id ? { message, session_id } : { message } },
        }),
      ),
    /** The latest used first. */
    getSessions: (query: QueryOf<"listSessions"> = {}) =>
      valueOf(http.GET("/api/agent-builder/chatflow/sessions", { params: { query } })),
    getSession: (id: string) => valueOf(http.GET(SESSION, at(id))),
    /** Oldest first. */
    getHistory,
    /** The newest `limit` messages, oldest of them first. */
    getNewestMessages: async (session_id: string, limit: number) => {
      const first = await getHistory(session_id, { limit });
      return first.total <= limit ? first : getHistory(session_id, { limit, offset: first.total - limit });
    },
    clearSession: (id: string) => valueOf(http.POST(`${SESSION}/clear`, at(id))),
    deleteSession: (id: string) => valueOf(http.DELETE(SESSION, at(id))),
    exportSession: (session_id: string, format: "json" | "markdown" = "json") =>
      valueOf<Blob>(
        http.GET(`${SESSION}/export`, { params: { path: { session_id }, query: { format } }, parseAs: "blob" }),
      ),
    getMemoryStrategies: () => valueOf(http.GET("/api/agent-builder/chatflow/memory/strategies")),
    /** Changes one session's memory; its chatflow's stays. */
    changeMemory: (id: string, body: Partial<MemoryConfig>) =>
      valueOf(http.PUT(`${SESSION}/memory`, { ...at(id), body: body as MemoryConfig })),
  };
}
