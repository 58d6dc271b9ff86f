import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import type { QueryOf } from "../calls/query";
import { afterChatFrame, TURN_NOT_BEGUN, type LiveTurn } from "../chatting";
import { newId } from "../ids";
import { ApiError } from "../problem";
import type { ChatHistory, Execution } from "../schema";
import { usePerdure } from "./context";
import { FRESH } from "./freshness";
import { queryKeys } from "./keys";

/** The latest used first. */
export function useSessions(query: QueryOf<"listSessions"> = {}) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.sessionList(query),
    queryFn: () => client.chatAPI.getSessions(query),
    staleTime: FRESH,
  });
}

/** A session is made by its first message: until then it has none. */
async function noneWhereMissing(session_id: string, read: Promise<ChatHistory>): Promise<ChatHistory> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return { session_id, messages: [], total: 0 };
    throw error;
  }
}

/** The newest messages of a session; none of one that has not begun. */
export function useSessionMessages(id: string, limit = 50) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.sessionMessages(id, limit),
    queryFn: () => noneWhereMissing(id, client.chatAPI.getNewestMessages(id, limit)),
    staleTime: FRESH,
  });
}

export function useDeleteSession() {
  const client = usePerdure();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => client.chatAPI.deleteSession(id),
    onSettled: () => queries.invalidateQueries({ queryKey: queryKeys.sessions }),
  });
}

export function useMemoryStrategies() {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.memoryStrategies,
    queryFn: () => client.chatAPI.getMemoryStrategies(),
    staleTime: Infinity,
  });
}

/** A turn that has ended, with its sources and tool calls; asked for when `isAsked`. */
export function useEndedTurn(flowId: string, executionId: string, isAsked = true) {
  const client = usePerdure();
  return useQuery({
    queryKey: queryKeys.turn(executionId),
    queryFn: ({ signal }) => client.readTurn(flowId, executionId, { signal }),
    enabled: isAsked,
    staleTime: Infinity,
    // It stands beside an answer, which is there without it.
    throwOnError: false,
  });
}

export interface TurnStream extends LiveTurn {
  /** Why nothing more comes: an `ApiError` where the API refused. */
  error: unknown;
}

const BEFORE: TurnStream = { ...TURN_NOT_BEGUN, error: undefined };

/** A turn as it happens; nothing where none is named. */
export function useTurnStream(flowId: string, executionId: string | undefined): TurnStream {
  const client = usePerdure();
  const [turn, setTurn] = useState(BEFORE);
  useEffect(() => {
    const leaving = new AbortController();
    setTurn(BEFORE);
    if (executionId === undefined) return;
    const follow = async () => {
      for await (const frame of client.watchTurn(flowId, executionId, { signal: leaving.signal })) {
        if (leaving.signal.aborted) return;
        setTurn((shown) => ({ ...shown, ...afterChatFrame(shown, frame) }));
      }
    };
    follow().catch((error: unknown) => {
      if (!leaving.signal.aborted) setTurn((shown) => ({ ...shown, error }));
    });
    return () => leaving.abort();
  }, [client, flowId, executionId]);
  return turn;
}

export interface Chat {
  history: ChatHistory | undefined;
  /** The user's words of the turn that is under way, or that has just ended without an answer. */
  message: string | undefined;
  /** That turn's execution; undefined until its message is accepted. */
  executionId: string | undefined;
  turn: TurnStream;
  isAnswering: boolean;
  send: (message: string) => void;
  /** Cancels the turn under way. */
  stop: () => void;
  /** Why a message was not accepted, the turn not stopped, or the conversation not read. */
  error: unknown;
}

const RESENDS = 3;
const UNDER_WAY = new Set<Execution["status"]>(["pending", "running"]);

/**
 * One conversation: what was said, and the turn under way, word by word. A turn that is under way when the conversation
 * is opened, after a reload or in another window, goes on where it is.
 */
export function useChat(flowId: string, sessionId: string): Chat {
  const client = usePerdure();
  const queries = useQueryClient();
  const history = useSessionMessages(sessionId);
  const newest = useQuery({
    queryKey: queryKeys.sessionTurn(sessionId),
    queryFn: async () => {
      const { executions } = await client.flowsAPI.getAllExecutions({ session_id: sessionId, limit: 1 });
      return executions.find(({ status }) => UNDER_WAY.has(status)) ?? null;
    },
    // From here on what is sent says what is under way.
    staleTime: Infinity,
    refetchOnMount: "always",
    throwOnError: false,
  });
  const sending = useMutation({
    mutationFn: ({ message, key }: { message: string; key: string }) =>
      client.chatAPI.sendMessage(flowId, { message, session_id: sessionId }, key),
    // A lost connection: the key sees to it that the message is not said twice.
    retry: (failures, error) => error instanceof TypeError && failures < RESENDS,
    onSuccess: (execution) => queries.setQueryData(queryKeys.sessionTurn(sessionId), execution),
  });
  const stopping = useMutation({ mutationFn: (id: string) => client.flowsAPI.cancelExecution(id) });
  const execution = newest.data ?? undefined;
  const turn = useTurnStream(flowId, execution?.id);
  const isOver = turn.answer !== undefined || turn.failure !== undefined || turn.error !== undefined;
  useEffect(() => {
    if (execution && turn.answer) queries.setQueryData<LiveTurn>(queryKeys.turn(execution.id), turn);
    if (isOver) void queries.invalidateQueries({ queryKey: queryKeys.sessions, predicate: ({ queryKey }) => queryKey[1] !== "turn" });
  }, [isOver, queries, execution, turn]);

  const isRecorded = history.data?.messages.some(({ execution_id }) => execution_id === execution?.id) ?? false;
  const said = execution?.input_data.message;
  const told = sending.isPending ? sending.variables.message : typeof said === "string" ? said : undefined;
  return {
    history: history.data,
    message: isRecorded && !sending.isPending ? undefined : told,
    executionId: sending.isPending ? undefined : execution?.id,
    turn: sending.isPending ? BEFORE : turn,
    isAnswering: sending.isPending || (execution !== undefined && !isOver),
    send: (message) => sending.mutate({ message, key: newId() }),
    stop: () => {
      if (execution) stopping.mutate(execution.id);
    },
    error: sending.error ?? stopping.error ?? history.error ?? newest.error ?? turn.error,
  };
}
