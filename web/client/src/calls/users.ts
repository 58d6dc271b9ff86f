import type { Http } from "../client";
import { valueOf } from "../problem";

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
  };
}
