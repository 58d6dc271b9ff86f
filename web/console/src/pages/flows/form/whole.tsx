import type { FlowType } from "@perdure/client";
import { type ReactNode, useEffect, useRef } from "react";
import { Problem } from "../../../kit/problem";
import { useCommonTexts } from "../../../kit/texts";
import { useTexts } from "../texts";
import { AgentflowFields } from "./agentflow";
import { ChatflowFields } from "./chatflow";
import { type Draft, DraftFields } from "./draft";
import { AreaField, CheckField, ListField, TextField } from "./fields";

const PROVIDERS = ["openai", "anthropic", "google", "ollama", "local"];

interface FlowFormProps {
  kind: FlowType;
  draft: Draft;
  submit: string;
  isPending: boolean;
  error: unknown;
  onSubmit: () => void;
  children?: ReactNode;
}

/** The form of a flow of either kind. What the API finds wrong stands at its field, and above all of them. */
export function FlowForm({ kind, draft, submit, isPending, error, onSubmit, children }: FlowFormProps) {
  const t = useTexts();
  const common = useCommonTexts();
  const form = useRef<HTMLFormElement>(null);
  useEffect(() => {
    const wrong = error ? form.current?.querySelector<HTMLElement>("[aria-invalid=true]") : null;
    for (let box = wrong?.closest("details"); box; box = box.parentElement?.closest("details")) box.open = true;
    wrong?.focus();
  }, [error]);
  return (
    <DraftFields draft={draft}>
      <Problem error={error} />
      {children}
      <form ref={form} action={onSubmit}>
        <section className="card">
          <TextField at={["name"]} label={common.name} required maxLength={255} />
          <AreaField at={["description"]} label={common.description} rows={2} />
          <ListField at={["tags"]} label={t.tags} hint={t.tagsHint} />
          <TextField at={["category"]} label={t.category} maxLength={255} />
          <CheckField at={["is_active"]} label={t.isActive} />
          <CheckField at={["is_public"]} label={t.isPublic} />
        </section>
        {kind === "agentflow" ? <AgentflowFields /> : <ChatflowFields />}
        <datalist id="providers">{PROVIDERS.map((name) => <option key={name} value={name} />)}</datalist>
        <div className="bar submit">
          <button className="main" disabled={isPending}>{submit}</button>
        </div>
      </form>
    </DraftFields>
  );
}
