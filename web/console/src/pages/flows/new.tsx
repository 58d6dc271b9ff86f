import type { AgentflowCreate, New } from "@perdure/client";
import { useCreateAgentflow } from "@perdure/client/react";
import { useState } from "react";
import { useNavigate } from "react-router";
import { Input, Select, TextArea } from "../../kit/forms";
import { Page } from "../../kit/layout";
import { Problem } from "../../kit/problem";
import { useCommonTexts } from "../../kit/texts";
import { useTexts } from "./texts";

interface Draft {
  key: number;
  name: string;
  system_prompt: string;
  after: string;
}

const KINDS = ["sequential", "parallel", "hierarchical"] as const;

/** A team from a form: its agents, what they are told, and after whom each works. */
export function Component() {
  const t = useTexts();
  const common = useCommonTexts();
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [kind, setKind] = useState<(typeof KINDS)[number]>("sequential");
  const [agents, setAgents] = useState<Draft[]>([{ key: 0, name: "", system_prompt: "", after: "" }]);
  const change = (key: number, fields: Partial<Draft>) =>
    setAgents(agents.map((agent) => (agent.key === key ? { ...agent, ...fields } : agent)));
  const create = useCreateAgentflow();
  const submit = () => create.mutate(flowOf(name, kind, agents), { onSuccess: () => void navigate("/flows") });
  const add = () => setAgents([...agents, { key: Math.max(-1, ...agents.map(({ key }) => key)) + 1, name: "", system_prompt: "", after: "" }]);
  return (
    <Page title={t.newTeam}>
      <Problem error={create.error} />
      <form action={submit}>
        <div className="card">
          <Input label={common.name} required maxLength={255} value={name} onChange={(event) => setName(event.target.value)} />
          <Select label={t.orchestration} value={kind} onChange={(event) => setKind(event.target.value as typeof kind)}>
            {KINDS.map((each) => <option key={each}>{each}</option>)}
          </Select>
        </div>
        {agents.map((agent, index) => (
          <fieldset className="card" key={agent.key}>
            <legend>{t.agent(index + 1)}</legend>
            <Input label={common.name} required value={agent.name} onChange={(event) => change(agent.key, { name: event.target.value })} />
            <TextArea label={t.prompt} value={agent.system_prompt} onChange={(event) => change(agent.key, { system_prompt: event.target.value })} />
            <Select label={t.after} value={agent.after} onChange={(event) => change(agent.key, { after: event.target.value })}>
              <option value="">{t.nobody}</option>
              {agents.filter((other) => other.key !== agent.key && other.name).map((other) => <option key={other.key}>{other.name}</option>)}
            </Select>
            <button type="button" onClick={() => setAgents(agents.filter(({ key }) => key !== agent.key))}>{common.remove}</button>
          </fieldset>
        ))}
        <div className="bar">
          <button type="button" onClick={add}>{t.addAgent}</button>
          <button className="main" disabled={create.isPending}>{common.create}</button>
        </div>
      </form>
    </Page>
  );
}

function flowOf(name: string, kind: (typeof KINDS)[number], agents: Draft[]): New<AgentflowCreate> {
  const made = agents.map((agent) => ({
    name: agent.name,
    system_prompt: agent.system_prompt || null,
    dependencies: agent.after ? [agent.after] : [],
  }));
  return { name, orchestration_type: kind, agents: made as AgentflowCreate["agents"] };
}
