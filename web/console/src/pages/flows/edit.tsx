import { ApiError, type FlowPage, type Tagged } from "@perdure/client";
import { useTaggedFlow, useUpdateFlow } from "@perdure/client/react";
import { useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { Loading, Page } from "../../kit/layout";
import { useCommonTexts } from "../../kit/texts";
import { useNewDraft } from "./form/draft";
import { changesOf, shapeOf } from "./form/shape";
import { FlowForm } from "./form/whole";
import "./flows.css";
import { useTexts } from "./texts";

type Flow = FlowPage["flows"][number];
const CONFLICT = 412;

/** A flow that there is, in its form. */
export function Component() {
  const { id = "" } = useParams();
  const { data } = useTaggedFlow(id);
  return data ? <Edit key={id} now={data} /> : <Loading />;
}

function Edit({ now }: { now: Tagged<Flow> }) {
  const t = useTexts();
  const common = useCommonTexts();
  const navigate = useNavigate();
  // What editing began with: the flow may be read anew meanwhile.
  const [base, setBase] = useState(now);
  const update = useUpdateFlow();
  const draft = useNewDraft(() => shapeOf(base.value), update.error);
  const { id } = base.value;
  const save = (onto: Tagged<Flow>) =>
    update.mutate(
      { id, changes: changesOf(shapeOf(onto.value), draft.value), etag: onto.etag },
      { onSuccess: () => void navigate(`/flows/${id}`) },
    );
  const isRefused = update.error instanceof ApiError && update.error.status === CONFLICT;
  const takeTheirs = () => {
    setBase(now);
    draft.reset(shapeOf(now.value));
    update.reset();
  };
  const notice = isRefused && now.value.version !== base.value.version && (
    <section className="card problem" role="alert">
      <strong>{t.conflict}</strong>
      <p>{t.conflictAdvice(base.value.version, now.value.version)}</p>
      <div className="actions">
        <Link to={`/flows/${id}/versions?from=${base.value.version}&to=${now.value.version}`} target="_blank">{t.whatChanged}</Link>
        <button type="button" onClick={takeTheirs}>{t.takeTheirs}</button>
        <button type="button" className="danger" onClick={() => save(now)}>{t.saveMine}</button>
      </div>
    </section>
  );
  return (
    <Page title={t.editing(base.value.name)} actions={<Link className="button" to={`/flows/${id}`}>{common.cancel}</Link>}>
      <FlowForm key={base.value.version} kind={base.value.flow_type} draft={draft} submit={common.save} isPending={update.isPending}
        error={isRefused ? null : update.error} notice={notice} onSubmit={() => save(base)} />
    </Page>
  );
}
