import type { Http } from "../client";
import { valueOf } from "../problem";
import type { ChatRequest } from "../schema";
import type { QueryOf } from "./query";

export function callsOfChats(http: Http) {
  const at = (session_id: string) => ({ params: { path: { session_id } } });
  const SESSION = "/api/agent-builder/chatflow/sessions/{session_id}";
  return {
    /** One turn; waits for the answer. */
    chat: (flow_id: string, body: ChatRequest) =>
      valueOf(
        http.POST("/api/agent-builder/chatflow/workflows/{flow_id}/chat", { params: { path: { flow_id } }, body }),
      ),
    getSessions: (query: QueryOf<"listSessions"> = {}) =>
      valueOf(http.GET("/api/agent-builder/chatflow/sessions", { params: { query } })),
    getSession: (id: string) => valueOf(http.GET(SESSION, at(id))),
    getHistory: (session_id: string, query: QueryOf<"readSessionHistory"> = {}) =>
      valueOf(http.GET(`${SESSION}/history`, { params: { path: { session_id }, query } })),
    clearSession: (id: string) => valueOf(http.POST(`${SESSION}/clear`, at(id))),
    deleteSession: (id: string) => valueOf(http.DELETE(SESSION, at(id))),
  };
}
