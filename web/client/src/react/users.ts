import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";

import type { NewApiKey } from "../schema";
import { usePerdure } from "./context";
import { queryKeys } from "./keys";

export function useMe() {
  const client = usePerdure();
  return useQuery({ queryKey: queryKeys.me, queryFn: () => client.authAPI.getMe(), staleTime: Infinity });
}

export function useApiKeys() {
  const client = usePerdure();
  return useQuery({ queryKey: queryKeys.apiKeys, queryFn: () => client.authAPI.getApiKeys() });
}

/** The answer shows the key this once. */
export function useCreateApiKey() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (key: Partial<NewApiKey> & Pick<NewApiKey, "name">) => client.authAPI.createApiKey(key),
    onSuccess: () => queries.invalidateQueries({ queryKey: queryKeys.apiKeys }),
  });
}

export function useDeleteApiKey() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => client.authAPI.deleteApiKey(id),
    onSettled: () => queries.invalidateQueries({ queryKey: queryKeys.apiKeys }),
  });
}
