import { createContext, useContext } from "react";

import type { PerdureClient } from "../client";

const ClientContext = createContext<PerdureClient | undefined>(undefined);

/** Gives a client to the hooks below it: `<PerdureProvider value={client}>`. */
export const PerdureProvider = ClientContext.Provider;

/** The client of the provider above. Throws where there is none. */
export function usePerdure(): PerdureClient {
  const client = useContext(ClientContext);
  if (!client) throw new Error("Put a <PerdureProvider value={client}> round what uses Perdure's hooks.");
  return client;
}
