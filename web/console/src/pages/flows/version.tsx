import { useFlow, useFlowVersion } from "@perdure/client/react";
import { Link, useParams } from "react-router";
import { Loading, Page } from "../../kit/layout";
import { shapeOf } from "./form/shape";
import { RunForm } from "./run-form";
import { useTexts } from "./texts";

/** A flow as it was at one of its versions, and how it runs. */
export function Component() {
  const t = useTexts();
  const { id = "", version = "" } = useParams();
  const number = Number(version);
  const { data: then } = useFlowVersion(id, number);
  const { data: now } = useFlow(id);
  if (!then || !now) return <Loading />;
  return (
    <Page title={t.versionOf(then.name, number)} actions={<Link className="button" to={`/flows/${id}/versions`}>{t.versions}</Link>}>
      {now.is_active && (
        <section className="card"><RunForm flow={then} version={number} label={t.runVersion(number)} /></section>
      )}
      <pre className="card" tabIndex={0}>{JSON.stringify(shapeOf(then), null, 2)}</pre>
    </Page>
  );
}
