import type { AuditEvent } from "@perdure/client";
import { useAuditLog, useExportAuditLog, useMe } from "@perdure/client/react";
import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import { Dialog } from "../../kit/dialog";
import { useFormat } from "../../kit/format";
import { Loading, Page, save } from "../../kit/layout";
import { Paging, usePage } from "../../kit/paging";
import { Problem } from "../../kit/problem";
import { Table } from "../../kit/table";
import { useCommonTexts } from "../../kit/texts";
import { ChainCheck } from "./chain";
import { Filters, filtersIn } from "./filters";
import { useTexts } from "./texts";

const PAGE_SIZE = 50;
/** Where more is told of what an entry is about. */
const PLACES: Record<string, string> = { Flow: "/flows", Execution: "/executions", KnowledgeBase: "/knowledge" };

/** Who did what, when and from where; whether anybody has touched the log; all of it as a file. */
export function Component() {
  const t = useTexts();
  const format = useFormat();
  const [query] = useSearchParams();
  const page = usePage();
  const { data } = useAuditLog({ ...filtersIn(query), limit: PAGE_SIZE, offset: (page - 1) * PAGE_SIZE });
  const exporting = useExportAuditLog();
  const exportIt = () => exporting.mutate(undefined, { onSuccess: (content) => save(content, "audit.jsonl") });
  return (
    <Page title={t.title} actions={<button type="button" disabled={exporting.isPending} onClick={exportIt}>{t.export}</button>}>
      <Problem error={exporting.error} />
      <ChainCheck />
      <Filters />
      {!data && <Loading />}
      {data && <p className="quiet" role="status">{data.total_count === 0 ? t.none : t.entries(format.number(data.total_count))}</p>}
      {data !== undefined && data.events.length > 0 && <Entries entries={data.events} />}
      {data && <Paging page={page} total={data.total_count} size={PAGE_SIZE} />}
    </Page>
  );
}

function Entries({ entries }: { entries: AuditEvent[] }) {
  const t = useTexts();
  const format = useFormat();
  const { data: me } = useMe();
  const who = (id: number | null) => (id === null ? t.nobody : id === me?.id ? t.you(id) : t.user(id));
  return (
    <Table label={t.title} rows={entries} keyOf={({ id }) => id} columns={[
      { label: t.when, cell: ({ timestamp }) => format.time(timestamp) },
      { label: t.what, cell: ({ event_type }) => event_type },
      { label: t.about, cell: (entry) => <About entry={entry} /> },
      { label: t.who, cell: ({ user_id }) => who(user_id) },
      { label: t.where, cell: ({ metadata }) => [metadata.source, metadata.ip].filter((part) => typeof part === "string").join(" ") },
      { label: t.details, cell: (entry) => <Details entry={entry} /> },
    ]} />
  );
}

function About({ entry: { aggregate_type, aggregate_id, event_data, before } }: { entry: AuditEvent }) {
  const place = PLACES[aggregate_type];
  const name = nameIn(event_data) ?? nameIn(before) ?? aggregate_id;
  return (
    <>
      <span className="quiet">{aggregate_type}</span>{" "}
      {place ? <Link to={`${place}/${aggregate_id}`}>{name}</Link> : name}
    </>
  );
}

/** The name of what an entry is about, where it tells one. */
function nameIn(data: AuditEvent["before"]): string | undefined {
  const told = { ...data, ...(data?.flow as object | undefined), ...(data?.knowledgebase as object | undefined) };
  return [told.name, told.flow_name, told.email].find((name) => typeof name === "string");
}

function Details({ entry }: { entry: AuditEvent }) {
  const t = useTexts();
  const common = useCommonTexts();
  const [isOpen, setOpen] = useState(false);
  const close = () => setOpen(false);
  return (
    <>
      <button type="button" aria-label={`${t.details}: ${entry.event_type} ${entry.id}`} onClick={() => setOpen(true)}>{t.details}</button>
      {isOpen && (
        <Dialog title={entry.event_type} onClose={close}>
          <h3>{t.after}</h3>
          <pre>{JSON.stringify(entry.event_data, null, 2)}</pre>
          {entry.before && <><h3>{t.before}</h3><pre>{JSON.stringify(entry.before, null, 2)}</pre></>}
          <h3>{t.where}</h3>
          <pre>{JSON.stringify(entry.metadata, null, 2)}</pre>
          <button type="button" onClick={close}>{common.close}</button>
        </Dialog>
      )}
    </>
  );
}
