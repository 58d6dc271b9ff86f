import { type Execution, type ForkRequest, newId } from "@perdure/client";
import { useForkExecution } from "@perdure/client/react";
import { lazy, Suspense, useState } from "react";
import { useNavigate } from "react-router";
import { Dialog } from "../../kit/dialog";
import { Select, TextArea, unfold } from "../../kit/forms";
import { Loading } from "../../kit/layout";
import { Problem } from "../../kit/problem";
import { useCommonTexts } from "../../kit/texts";
import { textOf } from "./text";
import { useTexts } from "./texts";

// The forms of flows are large, and most forks change none.
const FlowEdits = lazy(() => import("./flow-edits"));

interface ForkProps {
  execution: Execution;
  /** The step that was pointed out. */
  step: string | undefined;
  onClose: () => void;
}

/** Goes on from a step in a run of its own: with another message, another output of a step before, or another flow. */
export function ForkDialog({ execution, step, onClose }: ForkProps) {
  const t = useTexts();
  const common = useCommonTexts();
  const navigate = useNavigate();
  const steps = (execution.node_executions ?? []).filter(({ started_at }) => started_at !== null);
  const [from, setFrom] = useState(step ?? steps.at(-1)?.id ?? "");
  const place = steps.findIndex(({ id }) => id === from);
  const before = steps.slice(0, Math.max(place, 0)).filter(({ status }) => status === "completed");
  const [edited, setEdited] = useState("");
  const [output, setOutput] = useState("");
  const [message, setMessage] = useState(() => String(execution.input_data.message ?? ""));
  const [isChanging, setIsChanging] = useState(false);
  const [flow, setFlow] = useState<ForkRequest["flow"]>({});
  // Pressed twice, it forks once.
  const [key] = useState(newId);
  const fork = useForkExecution();
  const edit = (id: string) => {
    setEdited(id);
    const found = before.find((each) => each.id === id)?.output_data;
    setOutput(found ? textOf(found) : "");
  };
  const submit = () => {
    const request: Partial<ForkRequest> = { from_step: from, flow };
    if (edited && before.some(({ id }) => id === edited)) request.edits = { [edited]: output };
    if (message !== execution.input_data.message && message !== "") request.input_data = { ...execution.input_data, message };
    fork.mutate(
      { id: execution.id, fork: request as ForkRequest, idempotencyKey: key },
      { onSuccess: ({ id }) => { onClose(); void navigate(`/executions/${id}`); } },
    );
  };
  return (
    <Dialog title={t.fork} onClose={onClose}>
      <p>{t.forkHint}</p>
      <Problem error={fork.error} />
      <form action={submit} onInvalidCapture={({ target }) => unfold(target as Element)}>
        <Select label={t.fromStep} value={from} onChange={({ target }) => setFrom(target.value)}>
          {steps.map(({ id, node_label }) => <option key={id} value={id}>{steps.filter((each) => each.node_label === node_label).length > 1 ? `${node_label} (${id})` : node_label}</option>)}
        </Select>
        <TextArea label={common.message} rows={2} value={message} onChange={({ target }) => setMessage(target.value)} />
        {before.length > 0 && (
          <Select label={t.editOutput} value={edited} onChange={({ target }) => edit(target.value)}>
            <option value="">{t.noEdit}</option>
            {before.map(({ id, node_label }) => <option key={id} value={id}>{node_label}</option>)}
          </Select>
        )}
        {edited && <TextArea label={t.newOutput} rows={5} value={output} onChange={({ target }) => setOutput(target.value)} />}
        {execution.flow_version !== null && (
          <details onToggle={({ currentTarget }) => setIsChanging((was) => was || currentTarget.open)}>
            <summary>{t.changeFlow}</summary>
            {isChanging && (
              <Suspense fallback={<Loading />}>
                <FlowEdits flowId={execution.flow_id} version={execution.flow_version} onChange={setFlow} />
              </Suspense>
            )}
          </details>
        )}
        <div className="actions">
          <button className="main" disabled={fork.isPending || from === ""}>{t.startFork}</button>
          <button type="button" onClick={onClose}>{common.cancel}</button>
        </div>
      </form>
    </Dialog>
  );
}
