import type { ChatflowView, ChatMessage } from "@perdure/client";
import { type Chat, useChat, useEndedTurn } from "@perdure/client/react";
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from "react";
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
          {history.messages.map((message, index) => (
            <Said key={message.sequence} flowId={flow.id} message={message} isLast={index === history.messages.length - 1} />
          ))}
          <Turn chat={chat} />
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

function Bubble({ role, note, children }: { role: "user" | "assistant"; note?: ReactNode; children: ReactNode }) {
  const t = useTexts();
  return (
    <li className={`bubble ${role}`}>
      <div className="row quiet"><strong>{role === "user" ? t.you : t.assistant}</strong>{note}</div>
      {children}
    </li>
  );
}

/** A message that stands in the session; with an answer, what it was made from. */
function Said({ flowId, message, isLast }: { flowId: string; message: ChatMessage; isLast: boolean }) {
  const t = useTexts();
  const [isAsked, ask] = useState(false);
  const isAnswer = message.role === "assistant";
  const { data, error } = useEndedTurn(flowId, message.execution_id, isAnswer && (isLast || isAsked));
  const run = <Link to={`/executions/${message.execution_id}`}>{t.run}</Link>;
  return (
    <Bubble role={message.role} note={isAnswer && run}>
      <div className="words">{message.content}</div>
      {message.interrupted && <p className="quiet">{t.interrupted}</p>}
      <Problem error={error} />
      {isAnswer && data && <Findings turn={data} isTold={isAsked} />}
      {isAnswer && !data && !isLast && <button type="button" className="plain" onClick={() => ask(true)}>{t.showSources}</button>}
    </Bubble>
  );
}

/** The turn that is under way, or has ended without an answer. */
function Turn({ chat: { message, turn, isAnswering } }: { chat: Chat }) {
  const t = useTexts();
  if (message === undefined) return null;
  return (
    <>
      <Bubble role="user"><div className="words">{message}</div></Bubble>
      <Bubble role="assistant">
        <div className="words" data-testid="answering">{turn.text || (isAnswering && <span className="quiet">{t.thinking}</span>)}</div>
        <Findings turn={turn} />
        {turn.failure?.code === "cancelled" && <p className="quiet">{t.stopped}</p>}
        {turn.failure && turn.failure.code !== "cancelled" && (
          <p className="problem" role="alert"><strong>{t.failed}</strong> {turn.failure.message}</p>
        )}
      </Bubble>
    </>
  );
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
