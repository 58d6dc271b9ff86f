import { type ExecutionState, type LiveRun, stateAfter } from "@perdure/client";
import { useCancelExecution, useExecution, useExecutionStream } from "@perdure/client/react";
import { useMemo, useState } from "react";
import { useParams } from "react-router";
import { useFormat } from "../../kit/format";
import { Facts, Loading, Page } from "../../kit/layout";
import { Problem } from "../../kit/problem";
import { Status } from "../../kit/status";
import { useCommonTexts } from "../../kit/texts";
import { useTexts } from "./texts";

/** One run: live while it runs, and at any of its versions by the slider. */
export function Component() {
  const { id = "" } = useParams();
  return <Run key={id} id={id} />;
}

function Run({ id }: { id: string }) {
  const t = useTexts();
  const common = useCommonTexts();
  const format = useFormat();
  const { data: execution } = useExecution(id);
  const stream = useExecutionStream(id);
  const [chosen, choose] = useState<number | null>(null);
  const newest = stream.events.at(-1)?.version ?? 0;
  const version = chosen ?? newest;
  const events = useMemo(() => stream.events.filter((event) => event.version <= version), [stream.events, version]);
  const state = useMemo(() => stateAfter(events), [events]);
  const cancel = useCancelExecution();
  if (!execution) return <Loading />;
  const last = events.at(-1);
  const isLive = chosen === null && state?.status === "running";
  return (
    <Page title={execution.flow_name}>
      <Problem error={stream.error ?? cancel.error} />
      <section className="card">
        {state && <Summary state={state} />}
        <label>
          {common.version} {version} / {newest} {isLive && `(${t.live})`}
          <input type="range" min={Math.min(1, newest)} max={newest} value={version} aria-label={common.version}
            onChange={(event) => choose(Number(event.target.value) === newest ? null : Number(event.target.value))} />
        </label>
        {last && <p className="quiet">{t.lastEvent}: {last.event_type}, {format.time(last.timestamp)}</p>}
        {isLive && <button type="button" disabled={!cancel.isIdle} onClick={() => cancel.mutate(id)}>{t.cancelRun}</button>}
      </section>
      <h2>{t.input}</h2>
      <div className="card"><pre>{textOf(execution.input_data)}</pre></div>
      <h2>{t.steps}</h2>
      {state && <Steps state={state} live={chosen === null ? stream.texts : {}} />}
      {state?.error_message && <div className="card problem" role="alert"><strong>{t.failed}</strong> {state.error_message}</div>}
      {state?.output_data && <><h2>{t.output}</h2><div className="card"><pre data-testid="output">{textOf(state.output_data)}</pre></div></>}
    </Page>
  );
}

function Summary({ state }: { state: ExecutionState }) {
  const common = useCommonTexts();
  const format = useFormat();
  return (
    <Facts of={[
      [common.status, <Status key="status" of={state.status} testId="status" />],
      [common.tokens, format.number(state.metrics.llm_tokens)],
      [common.cost, format.cost(state.metrics.estimated_cost)],
    ]} />
  );
}

function Steps({ state, live }: { state: ExecutionState; live: LiveRun["texts"] }) {
  const t = useTexts();
  const format = useFormat();
  return (
    <ol className="steps">
      {state.node_executions.map((step) => (
        <li className="card" key={step.id} data-step={step.id} data-status={step.status}>
          <div className="row">
            <strong>{step.node_label}</strong>
            <Status of={step.status} />
            <span className="quiet">
              {step.node_type}
              {step.duration_ms != null && ` · ${format.duration(step.duration_ms)}`}
              {step.retry_count > 0 && ` · ${t.retries(step.retry_count)}`}
            </span>
          </div>
          {step.error_message && <p className="status failed">{step.error_message}</p>}
          <pre data-testid="words">{step.output_data ? textOf(step.output_data) : step.status === "running" ? live[step.id]?.text : ""}</pre>
        </li>
      ))}
    </ol>
  );
}

/** What a person wants to read of an input or output: its text if it has one. */
function textOf(data: Record<string, unknown>): string {
  const text = data.text ?? data.response ?? data.message;
  return typeof text === "string" ? text : JSON.stringify(data, null, 2);
}
