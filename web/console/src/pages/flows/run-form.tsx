import { useExecuteFlow } from "@perdure/client/react";
import { useState } from "react";
import { useNavigate } from "react-router";
import { Input } from "../../kit/forms";
import { Problem } from "../../kit/problem";
import { useCommonTexts } from "../../kit/texts";

interface RunFormProps {
  flow: { id: string; name: string };
  /** Of the flow; the newest where none is given. */
  version?: number;
  label?: string;
}

/** A message to run a flow with; opens the run. */
export function RunForm({ flow, version, label }: RunFormProps) {
  const common = useCommonTexts();
  const navigate = useNavigate();
  const [message, setMessage] = useState("");
  const run = useExecuteFlow();
  const start = () =>
    run.mutate(
      { id: flow.id, inputData: { message }, ...(version !== undefined && { version }) },
      { onSuccess: ({ id }) => void navigate(`/executions/${id}`) },
    );
  return (
    <>
      <Problem error={run.error} />
      <form className="bar" action={start}>
        <Input label={common.message} required value={message} onChange={({ target }) => setMessage(target.value)} />
        <button disabled={run.isPending} aria-label={`${label ?? common.run}: ${flow.name}`}>{label ?? common.run}</button>
      </form>
    </>
  );
}
