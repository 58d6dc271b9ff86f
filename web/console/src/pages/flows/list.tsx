import type { FlowFile, FlowPage, FlowType } from "@perdure/client";
import { useFlows, useImportFlow } from "@perdure/client/react";
import { useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import { Input, Select } from "../../kit/forms";
import { Loading, Page } from "../../kit/layout";
import { Paging, usePage } from "../../kit/paging";
import { Problem } from "../../kit/problem";
import { useCommonTexts } from "../../kit/texts";
import "./flows.css";
import { usePatternTexts } from "./form/texts";
import { RunForm } from "./run-form";
import { useTexts } from "./texts";

const PAGE_SIZE = 20;
const KINDS: FlowType[] = ["agentflow", "chatflow"];

/** All flows of the user: search, page, run, make, import. */
export function Component() {
  const t = useTexts();
  const common = useCommonTexts();
  const [query, setQuery] = useSearchParams();
  const search = query.get("search") ?? "";
  const kind = KINDS.find((each) => each === query.get("kind"));
  const page = usePage();
  const { data } = useFlows({ search, page, page_size: PAGE_SIZE, ...(kind && { flow_type: kind }) });
  const change = (name: string, value: string) => {
    const next = new URLSearchParams(query);
    next.delete("page");
    if (value) next.set(name, value);
    else next.delete(name);
    setQuery(next, { replace: true });
  };
  const actions = (
    <>
      <ImportButton />
      <Link className="button" to="/flows/new-assistant">{t.newAssistant}</Link>
      <Link className="button main" to="/flows/new">{t.newTeam}</Link>
    </>
  );
  return (
    <Page title={t.flows} actions={actions}>
      <div className="bar">
        <Input label={t.search} type="search" maxLength={200} value={search} onChange={({ target }) => change("search", target.value)} />
        <Select label={t.kind} value={kind ?? ""} onChange={({ target }) => change("kind", target.value)}>
          <option value="">{common.all}</option>
          <option value="agentflow">{t.team}</option>
          <option value="chatflow">{t.assistant}</option>
        </Select>
      </div>
      {!data && <Loading />}
      {data?.total === 0 && <p className="card">{search || kind ? common.noMatch : t.noFlows}</p>}
      {data?.flows.map((flow) => <FlowCard key={flow.id} flow={flow} />)}
      {data && <Paging page={page} total={data.total} size={PAGE_SIZE} />}
    </Page>
  );
}

function FlowCard({ flow }: { flow: FlowPage["flows"][number] }) {
  const t = useTexts();
  const common = useCommonTexts();
  const patterns = usePatternTexts();
  return (
    <section className="card">
      <h2><Link to={`/flows/${flow.id}`}>{flow.name}</Link></h2>
      {flow.description && <p>{flow.description}</p>}
      <p className="quiet">
        {flow.flow_type === "agentflow" ? `${t.team}: ${patterns[flow.orchestration_type]}` : t.assistant}
        {` · ${common.version} ${flow.version} · ${t.runs} ${flow.execution_count}`}
        {!flow.is_active && ` · ${t.inactive}`}
      </p>
      {flow.is_active && <RunForm flow={flow} />}
    </section>
  );
}

/** Takes a file that `Export` gave, here or elsewhere, and opens the flow that it makes. */
function ImportButton() {
  const t = useTexts();
  const navigate = useNavigate();
  const imported = useImportFlow();
  const [unreadable, setUnreadable] = useState<Error | null>(null);
  const take = async (file: File) => {
    setUnreadable(null);
    try {
      const read = JSON.parse(await file.text()) as FlowFile;
      imported.mutate(read, { onSuccess: ({ id }) => void navigate(`/flows/${id}`) });
    } catch {
      setUnreadable(new Error(t.notAFlow));
    }
  };
  return (
    <>
      <Problem error={unreadable ?? imported.error} />
      <label className="button file">
        {t.import}
        <input type="file" accept=".json,application/json" disabled={imported.isPending}
          onChange={({ target }) => {
            const [file] = target.files ?? [];
            target.value = "";
            if (file) void take(file);
          }} />
      </label>
    </>
  );
}
