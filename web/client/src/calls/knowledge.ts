import type { Http } from "../client";
import { valueOf } from "../problem";
import type { KnowledgeBaseCreate, SearchRequest } from "../schema";
import type { New } from "./flows";
import type { QueryOf } from "./query";

export function callsOfKnowledge(http: Http) {
  const BASE = "/api/agent-builder/knowledgebases/{knowledgebase_id}";
  const at = (knowledgebase_id: string) => ({ params: { path: { knowledgebase_id } } });
  return {
    getKnowledgeBases: (query: QueryOf<"listKnowledgeBases"> = {}) =>
      valueOf(http.GET("/api/agent-builder/knowledgebases", { params: { query } })),
    getKnowledgeBase: (id: string) => valueOf(http.GET(BASE, at(id))),
    createKnowledgeBase: (body: New<KnowledgeBaseCreate>) =>
      valueOf(http.POST("/api/agent-builder/knowledgebases", { body: body as KnowledgeBaseCreate })),
    deleteKnowledgeBase: (id: string) => valueOf(http.DELETE(BASE, at(id))),
    getDocuments: (knowledgebase_id: string, query: QueryOf<"listDocuments"> = {}) =>
      valueOf(http.GET(`${BASE}/documents`, { params: { path: { knowledgebase_id }, query } })),
    search: (id: string, body: SearchRequest) => valueOf(http.POST(`${BASE}/search`, { ...at(id), body })),
  };
}
