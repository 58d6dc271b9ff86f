import { useMutation, useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useReducer, useState } from "react";
import { useParams } from "react-router";
import { flowsAPI } from "../api/client";
import { type Followed, fold, type RunView, take } from "../api/fold";
import { follow, type Frame } from "../api/stream";
import { Problem } from "../problem";
import { useWords } from "../words";

const NOTHING: Followed = { events: [], words: {} };

/** One run: live while it runs, and at any of its versions by the slider. */
export function ExecutionPage() {
  const { id = "" } = useParams();
  return <Run key={id} id={id} />;
}

function Run({ id }: { id: string }) {
  const words = useWords();
  const { data: execution } = useQuery({ queryKey: ["execution", id], queryFn: () => flowsAPI.getExecution(id) });
  const [followed, problem] = useFollowed(id);
  const [chosen, choose] = useState<number | null>(null);
  const newest = followed.events.at(-1)?.version ?? 0;
  const version = chosen ?? newest;
  const view = useMemo(() => fold(followed.events.filter((event) => event.version <= version)), [followed.events, version]);
  const cancel = useMutation({ throwOnError: false, mutationFn: () => flowsAPI.cancelExecution(id) });
  if (!execution) return <p>{words("loading")}</p>;
  return (
    <>
      <h1>{execution.flow_name}</h1>
      {problem !== null && <Problem error={problem} />}
      {cancel.isError && <Problem error={cancel.error} />}
      <section className="card">
        <Summary view={view} />
        <label>
          {words("version")} {version} / {newest} {chosen === null && view.status === "running" && `(${words("live")})`}
          <input type="range" min={Math.min(1, newest)} max={newest} value={version} aria-label={words("version")}
            onChange={(event) => choose(Number(event.target.value) === newest ? null : Number(event.target.value))} />
        </label>
        {view.last && <p className="quiet">{words("event")}: {view.last.event_type}, {new Date(view.last.timestamp).toLocaleString()}</p>}
        {chosen === null && view.status === "running" && <button type="button" disabled={!cancel.isIdle} onClick={() => cancel.mutate()}>{words("cancel")}</button>}
      </section>
      <h2>{words("input")}</h2>
      <div className="card"><pre>{textOf(execution.input_data)}</pre></div>
      <h2>{words("steps")}</h2>
      <Steps view={view} live={chosen === null ? followed.words : {}} />
      {view.error && <div className="card problem" role="alert"><strong>{words("failed")}</strong> {view.error}</div>}
      {view.output && <><h2>{words("output")}</h2><div className="card"><pre data-testid="output">{textOf(view.output)}</pre></div></>}
    </>
  );
}

function useFollowed(id: string): [Followed, unknown] {
  const [followed, add] = useReducer((before: Followed, frame: Frame) => take(before, frame), NOTHING);
  const [problem, setProblem] = useState<unknown>(null);
  useEffect(() => {
    const stop = new AbortController();
    follow(id, (frame) => !stop.signal.aborted && add(frame), stop.signal).catch(setProblem);
    return () => stop.abort();
  }, [id]);
  return [followed, problem];
}

function Summary({ view }: { view: RunView }) {
  const words = useWords();
  return (
    <dl>
      <div><dt>{words("status")}</dt><dd className={`status ${view.status}`} data-testid="status">{words(view.status)}</dd></div>
      <div><dt>{words("tokens")}</dt><dd>{view.tokens}</dd></div>
      <div><dt>{words("cost")}</dt><dd>{view.cost === null ? words("unknown") : `$${view.cost.toFixed(6)}`}</dd></div>
    </dl>
  );
}

function Steps({ view, live }: { view: RunView; live: Record<string, string> }) {
  const words = useWords();
  return (
    <ol className="steps">
      {view.steps.map((step) => (
        <li className="card" key={step.id} data-step={step.id} data-status={step.status}>
          <div className="row">
            <strong>{step.node_label}</strong>
            <span className={`status ${step.status}`}>{words(step.status)}</span>
            <span className="quiet">
              {step.node_type}
              {step.duration_ms != null && ` · ${(step.duration_ms / 1000).toFixed(1)} s`}
              {step.retry_count ? ` · ${step.retry_count} ${words("retries")}` : ""}
            </span>
          </div>
          {step.error_message && <p className="status failed">{step.error_message}</p>}
          <pre data-testid="words">{step.output_data ? textOf(step.output_data) : step.status === "running" ? live[step.id] : ""}</pre>
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
