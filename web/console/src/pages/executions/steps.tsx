import { type ExecutionState, type LiveRun, teamGraph } from "@perdure/client";
import { useFormat } from "../../kit/format";
import { Status } from "../../kit/status";
import { useCommonTexts } from "../../kit/texts";
import { textOf } from "./text";
import { useTexts } from "./texts";

type Step = ExecutionState["node_executions"][number];

interface StepsProps {
  state: ExecutionState;
  /** What has come since the last event; null where a former version is shown. */
  stream: LiveRun | null;
  /** Of the team's drawing: only the steps of this node. */
  chosen: string | null;
  onShowAll: () => void;
  onFork: (step: string) => void;
}

/** Every step with its state, words, tokens and cost. */
export function Steps({ state, stream, chosen, onShowAll, onFork }: StepsProps) {
  const t = useTexts();
  const node = chosen === null ? undefined : teamGraph(state).nodes.find(({ id }) => id === chosen);
  const shown = state.node_executions.filter((step) => chosen === null || teamGraph({ node_executions: [step] }).nodes[0]?.id === chosen);
  return (
    <>
      <div className="row">
        <h2>{node ? t.stepsOf(node.label) : t.steps}</h2>
        {chosen !== null && <button type="button" onClick={onShowAll}>{t.allSteps}</button>}
      </div>
      <ol className="steps">
        {shown.map((step) => <StepCard key={step.id} step={step} stream={stream} isEnded={state.status !== "running"} onFork={() => onFork(step.id)} />)}
      </ol>
    </>
  );
}

function StepCard({ step, stream, isEnded, onFork }: { step: Step; stream: LiveRun | null; isEnded: boolean; onFork: () => void }) {
  const t = useTexts();
  const isRunning = step.status === "running";
  const failure = isRunning ? stream?.failures[step.id] : undefined;
  return (
    <li className="card" data-step={step.id} data-status={step.status}>
      <div className="row">
        <strong>{step.node_label}</strong>
        <Status of={step.status} />
        <span className="quiet"><StepFacts step={step} /></span>
        {isEnded && step.started_at && <button type="button" aria-label={t.forkFrom(step.node_label)} onClick={onFork}>{t.fork}</button>}
      </div>
      {step.error_message && <p className="status failed">{step.error_message}</p>}
      {failure && <p className="status failed">{t.attemptFailed(failure.attempt)} {failure.error}</p>}
      <pre data-testid="words">{step.output_data ? textOf(step.output_data) : isRunning ? stream?.texts[step.id]?.text : ""}</pre>
    </li>
  );
}

function StepFacts({ step }: { step: Step }) {
  const t = useTexts();
  const common = useCommonTexts();
  const format = useFormat();
  const output = step.output_data;
  const tokens = Number(output?.input_tokens ?? 0) + Number(output?.output_tokens ?? 0);
  return [
    typeof output?.model === "string" ? output.model : step.node_type,
    step.duration_ms != null && format.duration(step.duration_ms),
    step.retry_count > 0 && t.retries(step.retry_count),
    tokens > 0 && `${common.tokens} ${format.number(tokens)}`,
    typeof output?.cost_usd === "number" && format.cost(output.cost_usd),
  ].filter(Boolean).join(" · ");
}
