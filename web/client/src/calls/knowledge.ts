import type { Send } from "../authorizing";
import type { Http } from "../client";
import { valueOf } from "../problem";
import type { KnowledgeBaseCreate, KnowledgeBaseUpdate, SearchRequest } from "../schema";
import { sendingForm, type Sent } from "../uploading";
import type { New } from "./flows";
import type { QueryOf } from "./query";

export interface UploadOptions {
  /** Told how much of the file has been sent. */
  onSent?: (sent: Sent) => void;
  signal?: AbortSignal;
}

export function callsOfKnowledge(http: Http, authorized: (by: Send) => Send, plain: Send) {
  const BASE = "/api/agent-builder/knowledgebases/{knowledgebase_id}";
  const at = (knowledgebase_id: string) => ({ params: { path: { knowledgebase_id } } });
  const document = (knowledgebase_id: string, document_id: string) => ({
    params: { path: { knowledgebase_id, document_id } },
  });
  return {
    getKnowledgeBases: (query: QueryOf<"listKnowledgeBases"> = {}) =>
      valueOf(http.GET("/api/agent-builder/knowledgebases", { params: { query } })),
    getKnowledgeBase: (id: string) => valueOf(http.GET(BASE, at(id))),
    createKnowledgeBase: (body: New<KnowledgeBaseCreate>) =>
      valueOf(http.POST("/api/agent-builder/knowledgebases", { body: body as KnowledgeBaseCreate })),
    /** Any subset of the fields; another embedding model starts a re-index. */
    updateKnowledgeBase: (id: string, body: KnowledgeBaseUpdate) => valueOf(http.PUT(BASE, { ...at(id), body })),
    deleteKnowledgeBase: (id: string) => valueOf(http.DELETE(BASE, at(id))),
    cancelReindex: (id: string) => valueOf(http.POST(`${BASE}/reindex/cancel`, at(id))),
    /** Newest first. */
    getDocuments: (knowledgebase_id: string, query: QueryOf<"listDocuments"> = {}) =>
      valueOf(http.GET(`${BASE}/documents`, { params: { path: { knowledgebase_id }, query } })),
    getDocument: (id: string, document_id: string) =>
      valueOf(http.GET(`${BASE}/documents/{document_id}`, document(id, document_id))),
    /** Sends a file. The document is `pending` then: how far its taking in is, `getDocument` tells. */
    addDocument: (id: string, file: File, { onSent, signal }: UploadOptions = {}) => {
      const form = new FormData();
      form.append("file", file, file.name);
      return valueOf(
        http.POST(`${BASE}/documents`, {
          ...at(id),
          // The generated type of a binary field is a string; what is sent is the form.
          body: { file: file.name },
          bodySerializer: () => form,
          ...(onSent ? { fetch: authorized(sendingForm(form, onSent, plain)) } : {}),
          ...(signal ? { signal } : {}),
        }),
      );
    },
    deleteDocument: (id: string, document_id: string) =>
      valueOf(http.DELETE(`${BASE}/documents/{document_id}`, document(id, document_id))),
    search: (id: string, body: Partial<SearchRequest> & Pick<SearchRequest, "query">) =>
      valueOf(http.POST(`${BASE}/search`, { ...at(id), body: body as SearchRequest })),
  };
}
