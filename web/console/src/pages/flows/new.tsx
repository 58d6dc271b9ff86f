import type { AgentflowCreate, ChatflowCreate, FlowType, New } from "@perdure/client";
import { useCreateAgentflow, useCreateChatflow } from "@perdure/client/react";
import { useNavigate } from "react-router";
import { Page } from "../../kit/layout";
import { useCommonTexts } from "../../kit/texts";
import { useNewDraft } from "./form/draft";
import { newFlow } from "./form/shape";
import { FlowForm } from "./form/whole";
import "./flows.css";
import { useTexts } from "./texts";

/** A team from a form. */
export function Component() {
  return <NewFlow kind="agentflow" />;
}

/** A new flow of either kind. */
export function NewFlow({ kind }: { kind: FlowType }) {
  const t = useTexts();
  const common = useCommonTexts();
  const navigate = useNavigate();
  const team = useCreateAgentflow();
  const assistant = useCreateChatflow();
  const create = kind === "agentflow" ? team : assistant;
  const draft = useNewDraft(() => newFlow(kind), create.error);
  const open = { onSuccess: ({ id }: { id: string }) => void navigate(`/flows/${id}`) };
  const submit = () =>
    kind === "agentflow"
      ? team.mutate(draft.value as New<AgentflowCreate>, open)
      : assistant.mutate(draft.value as New<ChatflowCreate>, open);
  return (
    <Page title={kind === "agentflow" ? t.newTeam : t.newAssistant}>
      <FlowForm kind={kind} draft={draft} submit={common.create} isPending={create.isPending} error={create.error} onSubmit={submit} />
    </Page>
  );
}
