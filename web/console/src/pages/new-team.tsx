import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { type AgentflowCreate, flowsAPI } from "../api/client";
import { Problem } from "../problem";
import { useWords } from "../words";

interface Draft {
  key: number;
  name: string;
  system_prompt: string;
  after: string;
}

const KINDS = ["sequential", "parallel", "hierarchical"] as const;

/** A team from a form: its agents, what they are told, and after whom each works. */
export function NewTeamPage() {
  const words = useWords();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [kind, setKind] = useState<(typeof KINDS)[number]>("sequential");
  const [agents, setAgents] = useState<Draft[]>([{ key: 0, name: "", system_prompt: "", after: "" }]);
  const change = (key: number, fields: Partial<Draft>) =>
    setAgents(agents.map((agent) => (agent.key === key ? { ...agent, ...fields } : agent)));
  const create = useMutation({
    throwOnError: false,
    mutationFn: () => flowsAPI.createAgentflow(flowOf(name, kind, agents)),
    onSuccess: async () => {
      await queries.invalidateQueries({ queryKey: ["flows"] });
      await navigate("/flows");
    },
  });
  const add = () => setAgents([...agents, { key: Math.max(-1, ...agents.map(({ key }) => key)) + 1, name: "", system_prompt: "", after: "" }]);
  return (
    <>
      <h1>{words("newTeam")}</h1>
      {create.isError && <Problem error={create.error} />}
      <form action={() => create.mutate()}>
        <div className="card">
          <label>{words("name")}<input required maxLength={255} value={name} onChange={(event) => setName(event.target.value)} /></label>
          <label>
            {words("orchestration")}
            <select value={kind} onChange={(event) => setKind(event.target.value as typeof kind)}>
              {KINDS.map((each) => <option key={each}>{each}</option>)}
            </select>
          </label>
        </div>
        {agents.map((agent, index) => (
          <fieldset className="card" key={agent.key}>
            <legend>{words("agent")} {index + 1}</legend>
            <label>{words("name")}<input required value={agent.name} onChange={(event) => change(agent.key, { name: event.target.value })} /></label>
            <label>{words("prompt")}<textarea rows={3} value={agent.system_prompt} onChange={(event) => change(agent.key, { system_prompt: event.target.value })} /></label>
            <label>
              {words("after")}
              <select value={agent.after} onChange={(event) => change(agent.key, { after: event.target.value })}>
                <option value="">{words("nobody")}</option>
                {agents.filter((other) => other.key !== agent.key && other.name).map((other) => <option key={other.key}>{other.name}</option>)}
              </select>
            </label>
            <button type="button" onClick={() => setAgents(agents.filter(({ key }) => key !== agent.key))}>{words("remove")}</button>
          </fieldset>
        ))}
        <div className="bar">
          <button type="button" onClick={add}>{words("addAgent")}</button>
          <button className="main" disabled={create.isPending}>{words("create")}</button>
        </div>
      </form>
    </>
  );
}

function flowOf(name: string, kind: (typeof KINDS)[number], agents: Draft[]): AgentflowCreate {
  const made = agents.map((agent) => ({
    name: agent.name,
    system_prompt: agent.system_prompt || null,
    dependencies: agent.after ? [agent.after] : [],
  }));
  return { name, orchestration_type: kind, agents: made } as AgentflowCreate;
}
