import type { ChatflowView, ChatMessage } from "@perdure/client";
import { type Chat, type TurnStream, useChat, useEndedTurn } from "@perdure/client/react";
import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { Link } from "react-router";
import { TextArea } from "../../kit/forms";
import { Loading } from "../../kit/layout";
import { Problem } from "../../kit/problem";
import { Findings } from "./findings";
import { useTexts } from "./texts";

/** What was said, what is being said, and what to say next. */
export function Conversation({ flow, sessionId }: { flow: ChatflowView; sessionId: string }) {
  const t = useTexts();
  const chat = useChat(flow.id, sessionId);
  const { history, turn } = chat;
  const end = useRef<HTMLDivElement>(null);
  const length = (history?.messages.length ?? 0) + turn.text.length + (chat.message?.length ?? 0);
  useEffect(() => {
    // Who reads further up is left there.
    if (isNear(end.current)) end.current?.scrollIntoView({ block: "end" });
  }, [length]);
  if (!history) return chat.error == null ? <Loading /> : <Problem error={chat.error} />;
  const hidden = history.total - history.messages.length;
  const isEmpty = history.total === 0 && chat.message === undefined;
  return (
    <section className="conversation" aria-label={flow.name}>
      {isEmpty && <Welcome flow={flow} onAsk={chat.send} />}
      {hidden > 0 && <p className="quiet">{t.earlier(hidden)}</p>}
      <div role="log" aria-busy={chat.isAnswering} aria-label={t.title}>
        <ol>
          {saidIn(chat).map((said, index, all) => (
            // What is being said becomes what was said, and stays as the reader has opened it.
            <Bubble key={`${said.executionId} ${said.role}`} flowId={flow.id} said={said} isLast={index === all.length - 1} />
          ))}
        </ol>
      </div>
      <Problem error={chat.error} />
      <Composer chat={chat} />
      <div ref={end} />
    </section>
  );
}

const NEAR_PX = 240;

function isNear(end: HTMLElement | null): boolean {
  return end !== null && end.getBoundingClientRect().top - innerHeight < NEAR_PX;
}

/** A message that stands in the session or, with `turn`, one of a turn that does not (yet). */
interface Said {
  role: ChatMessage["role"];
  content: string;
  executionId: string | undefined;
  isInterrupted: boolean;
  turn?: TurnStream;
}

function saidIn({ history, message, executionId, turn }: Chat): Said[] {
  const said: Said[] = (history?.messages ?? []).map(({ role, content, execution_id, interrupted }) => ({
    role,
    content,
    executionId: execution_id,
    isInterrupted: interrupted,
  }));
  if (message === undefined) return said;
  return [
    ...said,
    { role: "user", content: message, executionId, isInterrupted: false },
    { role: "assistant", content: turn.text, executionId, isInterrupted: false, turn },
  ];
}

function Bubble({ flowId, said, isLast }: { flowId: string; said: Said; isLast: boolean }) {
  const t = useTexts();
  const isAnswer = said.role === "assistant";
  return (
    <li className={`bubble ${said.role}`}>
      <div className="row quiet">
        <strong>{isAnswer ? t.assistant : t.you}</strong>
        {isAnswer && said.executionId && <Link to={`/executions/${said.executionId}`}>{t.run}</Link>}
      </div>
      <div className="words" data-testid={said.turn ? "answering" : undefined}>{said.content}</div>
      {said.isInterrupted && <p className="quiet">{t.interrupted}</p>}
      {said.turn && <Ending turn={said.turn} />}
      {isAnswer && <Drawn flowId={flowId} said={said} isLast={isLast} />}
    </li>
  );
}

/** What an answer draws on: of the last one at once, of earlier ones when it is asked for. */
function Drawn({ flowId, said: { executionId = "", turn }, isLast }: { flowId: string; said: Said; isLast: boolean }) {
  const t = useTexts();
  const [isAsked, ask] = useState(false);
  const ended = useEndedTurn(flowId, executionId, !turn && (isLast || isAsked));
  const told = turn ?? ended.data;
  return (
    <>
      <Problem error={ended.error} />
      {told && <Findings turn={told} isTold={isAsked} />}
      {!told && !isLast && <button type="button" onClick={() => ask(true)}>{t.showSources}</button>}
    </>
  );
}

/** What is to be said of a turn that gives no words yet, or none any more. */
function Ending({ turn: { text, answer, failure } }: { turn: TurnStream }) {
  const t = useTexts();
  if (failure?.code === "cancelled") return <p className="quiet">{t.stopped}</p>;
  if (failure) return <p className="problem" role="alert"><strong>{t.failed}</strong> {failure.message}</p>;
  return text || answer ? null : <p className="quiet">{t.thinking}</p>;
}

function Welcome({ flow, onAsk }: { flow: ChatflowView; onAsk: (message: string) => void }) {
  const t = useTexts();
  const { welcome_message, suggested_questions = [] } = flow.chat_config;
  return (
    <div className="card">
      <h2>{flow.name}</h2>
      <p>{welcome_message || flow.description}</p>
      {suggested_questions.length > 0 && (
        <>
          <p className="quiet">{t.suggested}</p>
          <div className="actions">
            {suggested_questions.map((question) => (
              <button type="button" key={question} onClick={() => onAsk(question)}>{question}</button>
            ))}
          </div>
        </>
      )}
    </div>
  );
}

function Composer({ chat }: { chat: Chat }) {
  const t = useTexts();
  const [message, setMessage] = useState("");
  const send = () => {
    if (chat.isAnswering || !message.trim()) return;
    chat.send(message);
    setMessage("");
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Enter also takes a suggestion of an input method, as for Korean: that is no sending.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form className="composer" action={send}>
      <TextArea label={t.yourMessage} rows={2} value={message} onChange={(event) => setMessage(event.target.value)} onKeyDown={onKeyDown} />
      {chat.isAnswering
        ? <button type="button" onClick={chat.stop}>{t.stop}</button>
        : <button className="main">{t.send}</button>}
    </form>
  );
}
