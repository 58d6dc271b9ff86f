import { type ChatflowView, newId } from "@perdure/client";
import { useChatflows, useDeleteSession, useSessions, usePerdure } from "@perdure/client/react";
import { useMutation } from "@tanstack/react-query";
import { Link, Navigate, useNavigate, useParams } from "react-router";
import { ConfirmButton } from "../../kit/dialog";
import { useFormat } from "../../kit/format";
import { Select } from "../../kit/forms";
import { Loading, Page, save } from "../../kit/layout";
import { Problem } from "../../kit/problem";
import { useCommonTexts } from "../../kit/texts";
import "./chat.css";
import { Conversation } from "./conversation";
import { useTexts } from "./texts";

const MOST = 100;
const addressOf = (flowId: string, sessionId: string) => `/chat/${flowId}/${encodeURIComponent(sessionId)}`;

/** Conversations with chatflows. Which one stands in the address, a new one too, so that a reload goes on with it. */
export function Component() {
  const t = useTexts();
  const navigate = useNavigate();
  const { flowId = "", "*": sessionId = "" } = useParams();
  const { data } = useChatflows({ page_size: MOST, sort_by: "updated_at" });
  const flow = data?.flows.find(({ id }) => id === flowId) as ChatflowView | undefined;
  return (
    <Page title={t.title}>
      {!data && <Loading />}
      {data?.total === 0 && <p className="card">{t.noChatflows}</p>}
      {data !== undefined && data.total > 0 && (
        <div className="chat">
          <aside>
            <Select label={t.chatflow} value={flow?.id ?? ""} onChange={(event) => void navigate(`/chat/${event.target.value}`)}>
              <option value="" disabled>{t.choose}</option>
              {data.flows.map(({ id, name }) => <option key={id} value={id}>{name}</option>)}
            </Select>
            {flow && <Sessions flowId={flow.id} shown={sessionId} />}
          </aside>
          {flow && sessionId && <Conversation key={sessionId} flow={flow} sessionId={sessionId} />}
          {flow && !sessionId && <Navigate replace to={addressOf(flow.id, newId())} />}
        </div>
      )}
    </Page>
  );
}

function Sessions({ flowId, shown }: { flowId: string; shown: string }) {
  const t = useTexts();
  const format = useFormat();
  const navigate = useNavigate();
  const { data } = useSessions({ chatflow_id: flowId, limit: MOST });
  return (
    <details open={!matchMedia("(max-width: 50rem)").matches}>
      <summary>{t.conversations}</summary>
      <button type="button" onClick={() => void navigate(addressOf(flowId, newId()))}>{t.newConversation}</button>
      {data?.total === 0 && <p className="quiet">{t.noConversations}</p>}
      <ul className="sessions">
        {data?.sessions.map((session) => (
          <li key={session.id}>
            <Link to={addressOf(flowId, session.id)} aria-current={session.id === shown ? "page" : undefined}>
              {format.time(session.updated_at)}
            </Link>
            <span className="quiet">{t.messages(session.message_count)}</span>
          </li>
        ))}
      </ul>
      {data?.sessions.some(({ id }) => id === shown) && <SessionActions flowId={flowId} sessionId={shown} />}
    </details>
  );
}

function SessionActions({ flowId, sessionId }: { flowId: string; sessionId: string }) {
  const t = useTexts();
  const common = useCommonTexts();
  const client = usePerdure();
  const navigate = useNavigate();
  const remove = useDeleteSession();
  const exporting = useMutation({
    mutationFn: () => client.chatAPI.exportSession(sessionId, "markdown"),
    onSuccess: (content) => save(content, "conversation.md"),
  });
  return (
    <>
      <Problem error={exporting.error} />
      <div className="actions">
        <button type="button" disabled={exporting.isPending} onClick={() => exporting.mutate()}>{t.exportIt}</button>
        <ConfirmButton label={common.delete} question={t.deleteQuestion}
          onConfirm={async () => {
            await remove.mutateAsync(sessionId);
            await navigate(`/chat/${flowId}`);
          }} />
      </div>
    </>
  );
}
