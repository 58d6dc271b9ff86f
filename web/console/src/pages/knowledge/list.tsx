import { useCreateKnowledgeBase, useKnowledgeBases } from "@perdure/client/react";
import { useState } from "react";
import { Link, useNavigate } from "react-router";
import { Dialog } from "../../kit/dialog";
import { useFormat } from "../../kit/format";
import { Input, TextArea } from "../../kit/forms";
import { Loading, Page } from "../../kit/layout";
import { Paging, usePage } from "../../kit/paging";
import { Problem } from "../../kit/problem";
import { Table } from "../../kit/table";
import { useCommonTexts } from "../../kit/texts";
import { useTexts } from "./texts";

const PAGE_SIZE = 20;

/** The user's knowledge bases, newest first. */
export function Component() {
  const t = useTexts();
  const common = useCommonTexts();
  const format = useFormat();
  const page = usePage();
  const [isMaking, setMaking] = useState(false);
  const { data } = useKnowledgeBases({ page, page_size: PAGE_SIZE });
  return (
    <Page title={t.title} actions={<button type="button" className="main" onClick={() => setMaking(true)}>{t.newOne}</button>}>
      {!data && <Loading />}
      {data?.total === 0 && <p className="card">{t.none}</p>}
      {data !== undefined && data.total > 0 && (
        <Table label={t.title} rows={data.knowledgebases} keyOf={({ id }) => id} columns={[
          { label: common.name, cell: ({ id, name }) => <Link to={`/knowledge/${id}`}>{name}</Link> },
          { label: common.description, cell: ({ description }) => description },
          { label: t.documents, cell: ({ document_count }) => format.number(document_count) },
          { label: t.parts, cell: ({ chunk_count }) => format.number(chunk_count) },
          { label: common.created, cell: ({ created_at }) => format.time(created_at) },
        ]} />
      )}
      {data && <Paging page={page} total={data.total} size={PAGE_SIZE} />}
      {isMaking && <NewBase onClose={() => setMaking(false)} />}
    </Page>
  );
}

function NewBase({ onClose }: { onClose: () => void }) {
  const t = useTexts();
  const common = useCommonTexts();
  const navigate = useNavigate();
  const create = useCreateKnowledgeBase();
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [model, setModel] = useState("local:wordllama");
  const [chunkSize, setChunkSize] = useState("400");
  const submit = () =>
    create.mutate(
      { name, description: description || null, embedding_model: model, chunk_size: Number(chunkSize) },
      { onSuccess: ({ id }) => void navigate(`/knowledge/${id}`) },
    );
  return (
    <Dialog title={t.newOne} onClose={onClose}>
      <Problem error={create.error} />
      <form action={submit}>
        <Input label={common.name} required maxLength={255} value={name} onChange={(event) => setName(event.target.value)} />
        <TextArea label={common.description} value={description} onChange={(event) => setDescription(event.target.value)} />
        <Input label={t.model} hint={t.modelHint} required value={model} onChange={(event) => setModel(event.target.value)} />
        <Input label={t.chunkSize} type="number" required min={1} value={chunkSize} onChange={(event) => setChunkSize(event.target.value)} />
        <div className="actions">
          <button className="main" disabled={create.isPending}>{common.create}</button>
          <button type="button" onClick={onClose}>{common.cancel}</button>
        </div>
      </form>
    </Dialog>
  );
}
