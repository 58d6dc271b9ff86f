import type { FlowType } from "@perdure/client";
import { type ReactNode, useEffect, useRef } from "react";
import { unfold } from "../../../kit/forms";
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
  /** What has to be decided before it can be saved. */
  notice?: ReactNode;
}

/** The form of a flow of either kind. What the API finds wrong stands at its field, and above all of them. */
export function FlowForm({ kind, draft, submit, isPending, error, onSubmit, notice }: FlowFormProps) {
  const t = useTexts();
  const common = useCommonTexts();
  const form = useRef<HTMLFormElement>(null);
  const above = useRef<HTMLDivElement>(null);
  const isStopped = Boolean(error) || Boolean(notice);
  // To what is wrong: it may be far from the button that was pressed.
  useEffect(() => {
    if (!isStopped) return;
    const wrong = form.current?.querySelector<HTMLElement>("[aria-invalid=true]");
    unfold(wrong);
    (wrong ?? above.current)?.focus();
  }, [error, isStopped]);
  return (
    <DraftFields draft={draft}>
      <div ref={above} tabIndex={-1}>
        <Problem error={error} />
        {notice}
      </div>
      <form ref={form} action={onSubmit} onInvalidCapture={({ target }) => unfold(target as Element)}>
        <section className="card">
          <TextField at={["name"]} label={common.name} required maxLength={255} />
          <AreaField at={["description"]} label={common.description} rows={2} />
          <ListField at={["tags"]} label={t.tags} hint={t.tagsHint} />
          <TextField at={["category"]} label={t.category} maxLength={255} />
          <CheckField at={["is_active"]} label={t.isActive} />
          <CheckField at={["is_public"]} label={t.isPublic} />
        </section>
        <OwnFields kind={kind} />
        <div className="bar submit">
          <button className="main" disabled={isPending}>{submit}</button>
        </div>
      </form>
    </DraftFields>
  );
}

/** What only flows of this kind have: all that says how they run. */
export function OwnFields({ kind }: { kind: FlowType }) {
  return (
    <>
      {kind === "agentflow" ? <AgentflowFields /> : <ChatflowFields />}
      <datalist id="providers">{PROVIDERS.map((name) => <option key={name} value={name} />)}</datalist>
    </>
  );
}
