import type { Http } from "../client";
import { valueOf } from "../problem";
import type { NewApiKey } from "../schema";

export function callsOfUsers(http: Http) {
  return {
    login: (username: string, password: string) =>
      valueOf(
        http.POST("/api/auth/login", {
          body: { username, password, scope: "" },
          // The OAuth2 password form, not JSON.
          bodySerializer: (body) => new URLSearchParams({ username: body.username, password: body.password }),
          headers: { "Content-Type": "application/x-www-form-urlencoded" },
        }),
      ),
    refresh: (refresh_token: string) => valueOf(http.POST("/api/auth/refresh", { body: { refresh_token } })),
    getMe: () => valueOf(http.GET("/api/auth/me")),
    getApiKeys: () => valueOf(http.GET("/api/auth/api-keys")),
    /** The answer shows the key this once. */
    createApiKey: (body: Partial<NewApiKey> & Pick<NewApiKey, "name">) =>
      valueOf(http.POST("/api/auth/api-keys", { body: body as NewApiKey })),
    deleteApiKey: (api_key_id: string) =>
      valueOf(http.DELETE("/api/auth/api-keys/{api_key_id}", { params: { path: { api_key_id } } })),
  };
}
