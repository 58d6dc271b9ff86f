import type { Document, KnowledgeBase } from "@perdure/client";
import { useDeleteDocument, useDeleteKnowledgeBase, useDocuments, useKnowledgeBase } from "@perdure/client/react";
import { useNavigate, useParams } from "react-router";
import { ConfirmButton } from "../../kit/dialog";
import { useFormat } from "../../kit/format";
import { Facts, Loading, Page, Progress } from "../../kit/layout";
import { Paging, usePage } from "../../kit/paging";
import { Status } from "../../kit/status";
import { Table } from "../../kit/table";
import { useCommonTexts } from "../../kit/texts";
import { TryOut } from "./search";
import { useTexts } from "./texts";
import { Uploads } from "./uploads";

const PAGE_SIZE = 20;

/** One knowledge base: upload to it, see how far its documents are, try what is found in it. */
export function Component() {
  const { id = "" } = useParams();
  const t = useTexts();
  const common = useCommonTexts();
  const navigate = useNavigate();
  const { data: base } = useKnowledgeBase(id);
  const remove = useDeleteKnowledgeBase();
  if (!base) return <Loading />;
  const actions = (
    <ConfirmButton label={common.delete} name={base.name} question={t.deleteBase(base.name)}
      onConfirm={async () => {
        await remove.mutateAsync(id);
        await navigate("/knowledge");
      }} />
  );
  return (
    <Page title={base.name} actions={actions}>
      {base.description && <p>{base.description}</p>}
      <section className="card"><Summary base={base} /></section>
      <h2>{t.documents}</h2>
      <Uploads id={id} />
      <Documents id={id} />
      <h2>{t.tryOut}</h2>
      <TryOut id={id} />
    </Page>
  );
}

function Summary({ base }: { base: KnowledgeBase }) {
  const t = useTexts();
  const format = useFormat();
  const { reindex } = base;
  return (
    <>
      <Facts of={[
        [t.documents, format.number(base.document_count)],
        [t.parts, format.number(base.chunk_count)],
        [t.model, base.embedding_model],
        [t.chunkSize, format.number(base.chunk_size)],
      ]} />
      {reindex?.status === "running" && (
        <>
          <p className="quiet">{t.reindex(reindex.model, reindex.chunks_done, reindex.chunks_total)}</p>
          <Progress label={t.reindexLabel} done={reindex.chunks_done} total={reindex.chunks_total} />
        </>
      )}
    </>
  );
}

function Documents({ id }: { id: string }) {
  const t = useTexts();
  const common = useCommonTexts();
  const format = useFormat();
  const page = usePage();
  const { data } = useDocuments(id, { page, page_size: PAGE_SIZE });
  const remove = useDeleteDocument(id);
  if (!data) return <Loading />;
  if (data.total === 0) return <p className="quiet">{t.noDocuments}</p>;
  return (
    <>
      <Table label={t.documents} rows={data.documents} keyOf={(document) => document.id} columns={[
        { label: t.document, cell: ({ name }) => name },
        { label: common.status, cell: (document) => <Standing document={document} /> },
        { label: t.size, cell: ({ size_bytes }) => format.bytes(size_bytes) },
        { label: t.changed, cell: ({ updated_at }) => format.time(updated_at) },
        {
          label: common.delete,
          cell: (document) => (
            <ConfirmButton label={common.delete} name={document.name} question={t.deleteDocument(document.name)}
              onConfirm={() => remove.mutateAsync(document.id)} />
          ),
        },
      ]} />
      <Paging page={page} total={data.total} size={PAGE_SIZE} />
    </>
  );
}

/** How far a document is; of one that could not be taken in, why, and what to do. */
function Standing({ document }: { document: Document }) {
  const t = useTexts();
  const { status, chunks_done, chunks_total, error_message, name } = document;
  const isGoing = status === "pending" || status === "processing";
  return (
    <>
      <Status of={status} />
      {status !== "failed" && <span className="quiet"> {t.partsDone(chunks_done, chunks_total)}</span>}
      {isGoing && <Progress label={t.takingIn(name)} done={chunks_done} total={chunks_total} />}
      {error_message && <div>{error_message}</div>}
    </>
  );
}
