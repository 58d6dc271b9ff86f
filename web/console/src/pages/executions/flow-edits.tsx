import type { ForkRequest } from "@perdure/client";
import { useFlowVersion } from "@perdure/client/react";
import { useEffect, useMemo } from "react";
import { Loading } from "../../kit/layout";
import { Problem } from "../../kit/problem";
import { DraftFields, useNewDraft } from "../flows/form/draft";
import { changesOf, shapeOf } from "../flows/form/shape";
import { OwnFields } from "../flows/form/whole";

interface FlowEditsProps {
  flowId: string;
  version: number;
  /** Given the fields that were changed. */
  onChange: (changes: ForkRequest["flow"]) => void;
}

/** A flow as a run had it, to be changed for a fork of that run; the flow itself stays as it is. */
export default function FlowEdits({ flowId, version, onChange }: FlowEditsProps) {
  const { data, error } = useFlowVersion(flowId, version);
  if (error) return <Problem error={error} />;
  return data ? <Fields flow={data} onChange={onChange} /> : <Loading />;
}

function Fields({ flow, onChange }: { flow: Parameters<typeof shapeOf>[0]; onChange: FlowEditsProps["onChange"] }) {
  const before = useMemo(() => shapeOf(flow), [flow]);
  const draft = useNewDraft(() => before, null);
  useEffect(() => onChange(changesOf(before, draft.value) as ForkRequest["flow"]), [before, draft.value, onChange]);
  return <DraftFields draft={draft}><OwnFields kind={flow.flow_type} /></DraftFields>;
}
