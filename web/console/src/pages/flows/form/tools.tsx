import { useFlows, useKnowledgeBases } from "@perdure/client/react";
import { useState } from "react";
import { Select } from "../../../kit/forms";
import { useCommonTexts } from "../../../kit/texts";
import { ApprovalFields } from "./approval";
import { type Path, useDraft } from "./draft";
import { AreaField, ChoiceField, ChoicesField, ListField, NumberField, TextField } from "./fields";
import { useFormTexts } from "./texts";

const KINDS = ["http_request", "knowledge_search", "run_flow", "python", "mcp"] as const;
type Kind = (typeof KINDS)[number];
type Tool = { type: string };

/** What a model may call: each tool with its settings. A tool that is named by its type alone has its defaults. */
export function ToolsFields({ at }: { at: Path }) {
  const t = useFormTexts();
  const draft = useDraft();
  const [kind, setKind] = useState<Kind>("http_request");
  const tools = ((draft.at(at) ?? []) as (string | Tool)[]).map((tool) => (typeof tool === "string" ? { type: tool } : tool));
  return (
    <fieldset className="choices">
      <legend>{t.tools}</legend>
      {tools.map((tool, index) => (
        <ToolFields key={`${index} ${tool.type}`} at={[...at, index]} kind={tool.type}
          onRemove={() => draft.set(at, tools.filter((_, other) => other !== index))} />
      ))}
      <div className="bar">
        <Select label={t.newTool} value={kind} onChange={({ target }) => setKind(target.value as Kind)}>
          {KINDS.map((each) => <option key={each} value={each}>{t.toolKinds[each]}</option>)}
        </Select>
        <button type="button" onClick={() => draft.set(at, [...tools, { type: kind }])}>{t.addTool}</button>
      </div>
    </fieldset>
  );
}

function ToolFields({ at, kind, onRemove }: { at: Path; kind: string; onRemove: () => void }) {
  const t = useFormTexts();
  const common = useCommonTexts();
  const draft = useDraft();
  const problem = draft.problemAt(at);
  const title = kind in t.toolKinds ? t.toolKinds[kind as Kind] : kind;
  return (
    <fieldset className="card">
      <legend>{title}</legend>
      {problem && <p className="error">{problem}</p>}
      {kind === "http_request" && <ListField at={[...at, "allowed_hosts"]} label={t.hosts} hint={t.hostsHint} />}
      {kind === "knowledge_search" && <KnowledgeChoices at={[...at, "knowledgebase_ids"]} />}
      {kind === "knowledge_search" && <NumberField at={[...at, "top_k"]} label={t.topK} min={1} max={50} placeholder="5" />}
      {kind === "run_flow" && <CalledFlow at={at} />}
      {kind === "mcp" && <TextField at={[...at, "server"]} label={t.mcpServer} hint={t.mcpServerHint} required maxLength={40} />}
      {kind === "mcp" && <ListField at={[...at, "tools"]} label={t.mcpTools} hint={t.mcpToolsHint} />}
      <ApprovalFields at={[...at, "requires_approval"]} label={t.callApproval} />
      <button type="button" aria-label={`${common.remove}: ${title}`} onClick={onRemove}>{common.remove}</button>
    </fieldset>
  );
}

function CalledFlow({ at }: { at: Path }) {
  const t = useFormTexts();
  const { data } = useFlows({ page_size: 100, sort_by: "name", sort_order: "asc" });
  return (
    <>
      <ChoiceField at={[...at, "flow_id"]} label={t.calledFlow} none={t.nothing}
        choices={(data?.flows ?? []).map(({ id, name }) => ({ value: id, label: name }))} />
      <AreaField at={[...at, "description"]} label={t.calledFlowDescription} />
    </>
  );
}

/** Knowledge bases by their names; those that are named and not there (yet) stay, by their ids. */
export function KnowledgeChoices({ at }: { at: Path }) {
  const t = useFormTexts();
  const draft = useDraft();
  const { data } = useKnowledgeBases({ page_size: 100 });
  const there = (data?.knowledgebases ?? []).map(({ id, name }) => ({ value: id, label: name }));
  const named = ((draft.at(at) ?? []) as string[]).filter((id) => !there.some(({ value }) => value === id));
  const [missing] = useState(named);
  const others = [...new Set([...missing, ...named])].filter((id) => !there.some(({ value }) => value === id));
  const choices = [...there, ...others.map((id) => ({ value: id, label: id }))];
  if (data && choices.length === 0) return <p className="quiet">{t.noKnowledge}</p>;
  return <ChoicesField at={at} label={t.knowledgeBases} choices={choices} />;
}
