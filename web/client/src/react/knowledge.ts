import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";

import type { New } from "../calls/flows";
import type { UploadOptions } from "../calls/knowledge";
import type { QueryOf } from "../calls/query";
import type { DocumentPage, KnowledgeBaseCreate, SearchRequest } from "../schema";
import { usePerdure } from "./context";
import { FRESH } from "./freshness";
import { queryKeys } from "./keys";

/** Milliseconds after which a document that is being taken in is looked at again. */
const TAKING_IN = 1_000;

export function useKnowledgeBases(query: QueryOf<"listKnowledgeBases"> = {}) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.knowledgeBaseList(query),
    queryFn: () => client.knowledgeAPI.getKnowledgeBases(query),
    staleTime: FRESH,
  });
}

export function useKnowledgeBase(id: string) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.knowledgeBase(id),
    queryFn: () => client.knowledgeAPI.getKnowledgeBase(id),
    staleTime: FRESH,
    refetchInterval: ({ state }) => (state.data?.reindex?.status === "running" ? TAKING_IN : false),
  });
}

const isGoing = (page: DocumentPage | undefined) =>
  page?.documents.some(({ status }) => status === "pending" || status === "processing") ?? false;

/** Newest first; looked at again while one of them is being taken in, and when none is any more, their knowledge base. */
export function useDocuments(id: string, query: QueryOf<"listDocuments"> = {}) {
  const client = usePerdure();
  const queries = useQueryClient();
  const page = useQuery({
    queryKey: queryKeys.documents(id, query),
    queryFn: () => client.knowledgeAPI.getDocuments(id, query),
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => (isGoing(state.data) ? TAKING_IN : false),
  });
  const going = isGoing(page.data);
  const wasGoing = useRef(false);
  useEffect(() => {
    if (wasGoing.current && !going) void queries.invalidateQueries({ queryKey: queryKeys.knowledgeBase(id) });
    wasGoing.current = going;
  }, [going, id, queries]);
  return page;
}

export function useSearchKnowledge(id: string) {
  const client = usePerdure();
  return useMutation({
    mutationFn: (request: Partial<SearchRequest> & Pick<SearchRequest, "query">) =>
      client.knowledgeAPI.search(id, request),
  });
}

export function useCreateKnowledgeBase() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (base: New<KnowledgeBaseCreate>) => client.knowledgeAPI.createKnowledgeBase(base),
    onSuccess: () => queries.invalidateQueries({ queryKey: queryKeys.knowledgeBases }),
  });
}

export function useDeleteKnowledgeBase() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => client.knowledgeAPI.deleteKnowledgeBase(id),
    onSuccess: (_deleted, id) => {
      queries.removeQueries({ queryKey: queryKeys.knowledgeBase(id) });
      return queries.invalidateQueries({ queryKey: ["knowledge-bases", "list"] });
    },
  });
}

export function useAddDocument(id: string) {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ file, ...options }: UploadOptions & { file: File }) =>
      client.knowledgeAPI.addDocument(id, file, options),
    onSettled: () => queries.invalidateQueries({ queryKey: queryKeys.knowledgeBases }),
  });
}

export function useDeleteDocument(id: string) {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (documentId: string) => client.knowledgeAPI.deleteDocument(id, documentId),
    onSettled: () => queries.invalidateQueries({ queryKey: queryKeys.knowledgeBases }),
  });
}
