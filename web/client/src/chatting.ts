import type { Send } from "./authorizing";
import type { ChatAnswer, Hit, JsonValue } from "./schema";
import { followStream, type FollowOptions } from "./streams";

/** A chunk that an answer draws on; the answer cites it by its `number`. Its words are in the output of the search's step. */
export type ChatSource = Omit<Hit, "content"> & { number: number };

/** What a chat turn's stream tells; docs/streaming.md says when each comes. */
export type ChatFrame = { id: string } & (
  | { type: "start"; data: { session_id: string; execution_id: string } }
  | { type: "sources"; data: { sources: ChatSource[] } }
  | { type: "tool"; data: ToolFrame }
  | { type: "token"; data: { node_id: string; attempt: number; index: number; text: string } }
  | { type: "reset"; data: { node_id: string; attempt: number } }
  | { type: "end"; data: ChatAnswer }
  | { type: "error"; data: { code: string; message: string; session_id: string; execution_id: string } }
);

export interface ToolFrame {
  step_id: string;
  name: string;
  status: "called" | "returned";
  arguments?: Record<string, JsonValue> | null;
  is_error?: boolean | null;
}

/** A turn as far as its frames have told. */
export interface LiveTurn {
  sessionId: string | undefined;
  executionId: string | undefined;
  /** What the model says at present: before it calls tools that is not the answer yet. */
  text: string;
  sources: ChatSource[];
  /** In the order in which they were called; each as its last frame tells. */
  tools: ToolFrame[];
  answer: ChatAnswer | undefined;
  failure: { code: string; message: string } | undefined;
  nodeId: string | undefined;
}

export const TURN_NOT_BEGUN: LiveTurn = {
  sessionId: undefined,
  executionId: undefined,
  text: "",
  sources: [],
  tools: [],
  answer: undefined,
  failure: undefined,
  nodeId: undefined,
};

/** The turn after one more frame. */
export function afterChatFrame(turn: LiveTurn, frame: ChatFrame): LiveTurn {
  switch (frame.type) {
    case "start":
      return { ...turn, sessionId: frame.data.session_id, executionId: frame.data.execution_id };
    case "sources":
      return { ...turn, sources: frame.data.sources };
    case "tool":
      return { ...turn, tools: withTool(turn.tools, frame.data) };
    case "token": {
      const { node_id, text } = frame.data;
      return { ...turn, nodeId: node_id, text: (node_id === turn.nodeId ? turn.text : "") + text };
    }
    case "reset":
      return { ...turn, nodeId: frame.data.node_id, text: "" };
    case "end":
      return { ...turn, answer: frame.data, text: frame.data.response ?? "", sources: frame.data.sources as unknown as ChatSource[] };
    case "error":
      return { ...turn, failure: { code: frame.data.code, message: frame.data.message } };
  }
}

function withTool(tools: ToolFrame[], tool: ToolFrame): ToolFrame[] {
  const before = tools.find(({ step_id }) => step_id === tool.step_id);
  if (!before) return [...tools, tool];
  // Only the call names the arguments.
  return tools.map((each) => (each === before ? { ...tool, arguments: tool.arguments ?? before.arguments } : each));
}

/** Every frame of a turn once, in order, to its end; also of a turn that ended long ago. See `followStream`. */
export function followTurn(send: Send, baseUrl: string, flowId: string, executionId: string, options: FollowOptions = {}) {
  const path = `/api/agent-builder/chatflow/workflows/${encodeURIComponent(flowId)}/chat/stream`;
  const url = `${baseUrl}${path}?execution_id=${encodeURIComponent(executionId)}`;
  return followStream({ send, url, isLast: (frame) => frame.endsWith(":end"), ...options }) as AsyncGenerator<ChatFrame>;
}

/** A turn as all of its frames together tell. */
export async function readTurn(frames: AsyncIterable<ChatFrame>): Promise<LiveTurn> {
  let turn = TURN_NOT_BEGUN;
  for await (const frame of frames) turn = afterChatFrame(turn, frame);
  return turn;
}
