import type { Http } from "../client";
import { valueOf } from "../problem";
import type { QueryOf } from "./query";

export function callsOfAudit(http: Http) {
  return {
    /** Newest first; `total_count` is of all that match. */
    getAuditLog: (query: QueryOf<"getAuditLog"> = {}) =>
      valueOf(http.GET("/api/events/audit", { params: { query } })),
    /** Checks every entry of the caller's log against its chain of hashes. */
    verifyAuditLog: () => valueOf(http.GET("/api/events/audit/verify")),
    /** All of the caller's log with its chain, as JSON lines; docs/audit.md checks it without us. */
    exportAuditLog: () => valueOf<Blob>(http.GET("/api/events/audit/export", { parseAs: "blob" })),
  };
}
