import { createPerdureClient } from "@perdure/client";

const ACCESS = "perdure.token";
const REFRESH = "perdure.refresh";
const watchers = new Set<() => void>();

const change = (write: () => void) => {
  write();
  for (const watcher of watchers) watcher();
};

/** Who is logged in. The tokens live as long as the tab, and never stand in an address. */
export const session = {
  isOpen: () => sessionStorage.getItem(ACCESS) !== null,
  /** Without a refresh token, as with an API key, the session ends when its token has run out. */
  begin: ({ access_token, refresh_token }: { access_token: string; refresh_token?: string }) =>
    change(() => {
      sessionStorage.setItem(ACCESS, access_token);
      if (refresh_token) sessionStorage.setItem(REFRESH, refresh_token);
      else sessionStorage.removeItem(REFRESH);
    }),
  end: () =>
    change(() => {
      sessionStorage.removeItem(ACCESS);
      sessionStorage.removeItem(REFRESH);
    }),
  /** Calls when somebody logs in or out; returns how to stop that. */
  subscribe: (watcher: () => void) => {
    watchers.add(watcher);
    return () => watchers.delete(watcher);
  },
};

/** The client of the API that serves this page. */
export const client = createPerdureClient({
  baseUrl: location.origin,
  token: () => sessionStorage.getItem(ACCESS) ?? undefined,
  renewal: { token: () => sessionStorage.getItem(REFRESH) ?? undefined, keep: session.begin },
  onUnauthorized: session.end,
});
