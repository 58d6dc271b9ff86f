import { newId } from "@perdure/client";
import { useCommonTexts } from "../../../kit/texts";
import { ApprovalFields } from "./approval";
import { type Path, useDraft } from "./draft";
import { AreaField, CheckField, type Choice, ChoiceField, ChoicesField, JsonField, ListField, ModelFields, NumberField, TextField } from "./fields";
import { useFormTexts } from "./texts";
import { ToolsFields } from "./tools";

type Patterns = ReturnType<typeof useFormTexts>["patterns"];
type AgentDraft = { id: string; name: string };

const SETTINGS: Partial<Record<keyof Patterns, readonly ("max_parallel" | "on_agent_failure" | "max_rounds" | "max_handoffs")[]>> = {
  parallel: ["max_parallel", "on_agent_failure"],
  hierarchical: ["max_parallel", "on_agent_failure"],
  consensus_building: ["max_rounds"],
  reflection: ["max_rounds"],
  swarm: ["max_handoffs"],
};

/** A member of the team with an id of its own, so that its name can change while others depend on it. */
export const newAgent = (): AgentDraft => ({ id: newId(), name: "" });

/** What only a team has: how it works together, its supervisor, its agents. */
export function AgentflowFields() {
  const t = useFormTexts();
  const draft = useDraft();
  const agents = (draft.at(["agents"]) ?? []) as AgentDraft[];
  const pattern = draft.at(["orchestration_type"]) as keyof Patterns;
  const settings = SETTINGS[pattern] ?? [];
  return (
    <>
      <section className="card">
        <ChoiceField at={["orchestration_type"]} label={t.orchestration} choices={entries(t.patterns)} hint={t.patternHints[pattern]} />
        {settings.includes("max_parallel") && <NumberField at={["orchestration_config", "max_parallel"]} label={t.maxParallel} placeholder="50" min={1} max={200} />}
        {settings.includes("on_agent_failure") && <ChoiceField at={["orchestration_config", "on_agent_failure"]} label={t.onFailure} choices={entries(t.failurePolicies)} />}
        {settings.includes("max_rounds") && <NumberField at={["orchestration_config", "max_rounds"]} label={t.maxRounds} placeholder="3" min={1} max={20} />}
        {settings.includes("max_handoffs") && <NumberField at={["orchestration_config", "max_handoffs"]} label={t.maxHandoffs} placeholder="10" min={1} max={100} />}
      </section>
      <Supervisor agents={agents} />
      {agents.map((agent, index) => <Agent key={agent.id} at={["agents", index]} number={index + 1} agents={agents} />)}
      <button type="button" onClick={() => draft.set(["agents"], [...agents, newAgent()])}>{t.addAgent}</button>
    </>
  );
}

function Supervisor({ agents }: { agents: AgentDraft[] }) {
  const t = useFormTexts();
  const draft = useDraft();
  const at = ["supervisor_config"];
  return (
    <fieldset className="card">
      <legend>{t.supervisor}</legend>
      <CheckField at={[...at, "enabled"]} label={t.supervisorEnabled} />
      <ModelFields at={at} labels={t.model} hint={t.supervisorModelHint} />
      {Boolean(draft.at([...at, "enabled"])) && (
        <>
          <ChoiceField at={[...at, "decision_strategy"]} label={t.strategy} choices={entries(t.strategies)} />
          {draft.at([...at, "decision_strategy"]) === "rule_based" && <Rules at={[...at, "rules"]} agents={agents} />}
          <NumberField at={[...at, "max_iterations"]} label={t.maxIterations} placeholder="10" min={1} max={1000} />
          <ChoiceField at={[...at, "fallback_agent_id"]} label={t.fallbackAgent} choices={agents.map(choiceOf)} none={t.nobody} />
        </>
      )}
    </fieldset>
  );
}

/** Which words in the task give it to which agent; the first rule that fits counts. */
function Rules({ at, agents }: { at: Path; agents: AgentDraft[] }) {
  const t = useFormTexts();
  const common = useCommonTexts();
  const draft = useDraft();
  const rules = (draft.at(at) ?? []) as { when: string[]; agent: string }[];
  return (
    <fieldset className="choices">
      <legend>{t.rules}</legend>
      {rules.map((_, index) => (
        <div className="columns" key={index}>
          <ListField at={[...at, index, "when"]} label={t.ruleWhen(index + 1)} />
          <ChoiceField at={[...at, index, "agent"]} label={t.ruleAgent} choices={agents.map(choiceOf)} />
          <div className="field">
            <button type="button" aria-label={`${common.remove}: ${t.ruleWhen(index + 1)}`}
              onClick={() => draft.set(at, rules.filter((__, other) => other !== index))}>
              {common.remove}
            </button>
          </div>
        </div>
      ))}
      <button type="button" onClick={() => draft.set(at, [...rules, { when: [], agent: agents[0]?.id ?? "" }])}>{t.addRule}</button>
    </fieldset>
  );
}

function Agent({ at, number, agents }: { at: Path; number: number; agents: AgentDraft[] }) {
  const t = useFormTexts();
  const common = useCommonTexts();
  const draft = useDraft();
  const own = agents[number - 1]?.id;
  const others = agents.filter(({ id, name }) => id !== own && name !== "");
  return (
    <fieldset className="card">
      <legend>{t.agent(number)}</legend>
      <TextField at={[...at, "name"]} label={common.name} required maxLength={255} />
      <AreaField at={[...at, "system_prompt"]} label={t.prompt} />
      {others.length > 0 && <ChoicesField at={[...at, "dependencies"]} label={t.after} choices={others.map(choiceOf)} />}
      <details>
        <summary>{t.more}</summary>
        <ModelFields at={at} labels={t.model} hint={t.agentModelHint} />
        <ListField at={[...at, "fallback_models"]} label={t.fallbackModels} hint={t.fallbackModelsHint} />
        <TextField at={[...at, "role"]} label={t.role} />
        <ListField at={[...at, "capabilities"]} label={t.capabilities} hint={t.capabilitiesHint} />
        <div className="columns">
          <NumberField at={[...at, "temperature"]} label={t.temperature} min={0} max={2} step="any" />
          <NumberField at={[...at, "max_tokens"]} label={t.maxTokens} min={1} />
          <NumberField at={[...at, "priority"]} label={t.priority} min={1} placeholder="1" />
          <NumberField at={[...at, "max_retries"]} label={t.maxRetries} min={0} max={100} placeholder="3" />
          <NumberField at={[...at, "timeout_seconds"]} label={t.timeout} min={0} step="any" placeholder="60" />
        </div>
        <JsonField at={[...at, "output_schema"]} label={t.outputSchema} hint={t.outputSchemaHint} invalid={t.noJson} />
        <ApprovalFields at={[...at, "requires_approval"]} label={t.agentApproval} />
        <ToolsFields at={[...at, "tools"]} />
      </details>
      <button type="button" aria-label={`${common.remove}: ${t.agent(number)}`} onClick={() => removeAgent(draft, own)}>{common.remove}</button>
    </fieldset>
  );
}

/** Takes an agent out, and out of what others wait for. */
function removeAgent(draft: ReturnType<typeof useDraft>, id: string | undefined): void {
  const agents = draft.at(["agents"]) as (AgentDraft & { dependencies?: string[] })[];
  const left = agents.filter((agent) => agent.id !== id);
  draft.set(["agents"], left.map((agent) => ({ ...agent, dependencies: agent.dependencies?.filter((each) => each !== id) })));
  if (draft.at(["supervisor_config", "fallback_agent_id"]) === id) draft.set(["supervisor_config", "fallback_agent_id"], null);
}

const choiceOf = ({ id, name }: AgentDraft): Choice => ({ value: id, label: name || id });
const entries = (names: Record<string, string>): Choice[] => Object.entries(names).map(([value, label]) => ({ value, label }));
