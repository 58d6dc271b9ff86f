import type { FieldChange, FlowVersion } from "@perdure/client";
import { useFlow, useFlowVersionDiff, useFlowVersions, useRestoreVersion } from "@perdure/client/react";
import { Link, useParams, useSearchParams } from "react-router";
import { ConfirmButton } from "../../kit/dialog";
import { useFormat } from "../../kit/format";
import { Input } from "../../kit/forms";
import { Loading, Page } from "../../kit/layout";
import { Paging, usePage } from "../../kit/paging";
import { Table } from "../../kit/table";
import { useCommonTexts } from "../../kit/texts";
import "./flows.css";
import { useTexts } from "./texts";

const PAGE_SIZE = 20;

/** Every version of a flow: look at it, run it, restore it, compare it with another. */
export function Component() {
  const t = useTexts();
  const { id = "" } = useParams();
  const page = usePage();
  const { data: flow } = useFlow(id);
  const { data } = useFlowVersions(id, { limit: PAGE_SIZE, offset: (page - 1) * PAGE_SIZE });
  if (!flow || !data) return <Loading />;
  return (
    <Page title={t.versionsOf(flow.name)} actions={<Link className="button" to={`/flows/${id}`}>{flow.name}</Link>}>
      {flow.version > 1 && <Comparison id={id} newest={flow.version} />}
      <VersionTable id={id} newest={flow.version} versions={data.versions} />
      <Paging page={page} total={data.total} size={PAGE_SIZE} />
    </Page>
  );
}

function VersionTable({ id, newest, versions }: { id: string; newest: number; versions: FlowVersion[] }) {
  const t = useTexts();
  const common = useCommonTexts();
  const format = useFormat();
  const restore = useRestoreVersion();
  return (
    <Table label={t.versions} rows={versions} keyOf={({ version }) => version} columns={[
      { label: common.version, cell: ({ version }) => version },
      { label: common.name, cell: ({ name }) => name },
      { label: t.changed, cell: ({ version, changed }) => (version === 1 ? t.firstVersion : changed.join(", ")) },
      { label: common.created, cell: ({ created_at }) => format.time(created_at) },
      {
        label: t.actions,
        cell: ({ version }) => (
          <div className="actions">
            <Link to={`/flows/${id}/versions/${version}`} aria-label={`${t.look}: ${version}`}>{t.look}</Link>
            {version < newest && (
              <ConfirmButton label={t.restore} name={String(version)} question={t.restoreQuestion(version)}
                onConfirm={() => restore.mutateAsync({ id, version })} />
            )}
          </div>
        ),
      },
    ]} />
  );
}

/** Which two stands in the address, so that a comparison can be sent to others. */
function Comparison({ id, newest }: { id: string; newest: number }) {
  const t = useTexts();
  const [query, setQuery] = useSearchParams();
  const chosen = (name: string, otherwise: number) => {
    const number = Number(query.get(name) ?? otherwise);
    return Number.isInteger(number) && number >= 1 && number <= newest ? number : otherwise;
  };
  const from = chosen("from", newest - 1);
  const to = chosen("to", newest);
  const { data } = useFlowVersionDiff(id, from, to);
  const choose = (name: string, value: string) => {
    const next = new URLSearchParams(query);
    next.set(name, value);
    setQuery(next, { replace: true });
  };
  return (
    <section aria-label={t.compare}>
      <h2>{t.compare}</h2>
      <div className="bar">
        <Input label={t.from} type="number" min={1} max={newest} value={from} onChange={({ target }) => choose("from", target.value)} />
        <Input label={t.to} type="number" min={1} max={newest} value={to} onChange={({ target }) => choose("to", target.value)} />
      </div>
      {!data && <Loading />}
      {data?.changes.length === 0 && <p className="card">{t.noChanges}</p>}
      {data && data.changes.length > 0 && <Changes changes={data.changes} />}
    </section>
  );
}

function Changes({ changes }: { changes: FieldChange[] }) {
  const t = useTexts();
  return (
    <Table label={t.compare} rows={changes} keyOf={({ path }) => path.join("/")} columns={[
      { label: t.field, cell: ({ path, kind }) => <>{path.join(" › ")} <span className="quiet">({t.kinds(kind)})</span></> },
      { label: t.before, cell: ({ before, kind }) => (kind === "added" ? "–" : <del>{shown(before)}</del>) },
      { label: t.after, cell: ({ after, kind }) => (kind === "removed" ? "–" : <ins>{shown(after)}</ins>) },
    ]} />
  );
}

const shown = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
