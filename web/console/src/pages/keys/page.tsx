import { useApiKeys, useCreateApiKey, useDeleteApiKey } from "@perdure/client/react";
import { useState } from "react";
import { ConfirmButton } from "../../kit/dialog";
import { useFormat } from "../../kit/format";
import { Input } from "../../kit/forms";
import { Loading, Page } from "../../kit/layout";
import { Problem } from "../../kit/problem";
import { Table } from "../../kit/table";
import { useCommonTexts } from "../../kit/texts";
import { useTexts } from "./texts";

/** The user's keys for programs: make one, see which are used, take one away. */
export function Component() {
  const t = useTexts();
  const common = useCommonTexts();
  const format = useFormat();
  const { data } = useApiKeys();
  const remove = useDeleteApiKey();
  return (
    <Page title={t.title}>
      <p>{t.intro}</p>
      <NewKey />
      {!data && <Loading />}
      {data?.total === 0 && <p className="card">{t.none}</p>}
      {data !== undefined && data.total > 0 && (
        <Table label={t.title} rows={data.api_keys} keyOf={({ id }) => id} columns={[
          { label: common.name, cell: ({ name }) => name },
          { label: t.begins, cell: ({ prefix }) => <code>{prefix}</code> },
          { label: common.created, cell: ({ created_at }) => format.time(created_at) },
          { label: t.expires, cell: ({ expires_at }) => (expires_at ? format.time(expires_at) : t.never) },
          { label: t.lastUsed, cell: ({ last_used_at }) => (last_used_at ? format.time(last_used_at) : t.notUsed) },
          {
            label: common.delete,
            cell: ({ id, name }) => (
              <ConfirmButton label={common.delete} name={name} question={t.deleteQuestion(name)} onConfirm={() => remove.mutateAsync(id)} />
            ),
          },
        ]} />
      )}
    </Page>
  );
}

function NewKey() {
  const t = useTexts();
  const common = useCommonTexts();
  const create = useCreateApiKey();
  const [name, setName] = useState("");
  const [expires, setExpires] = useState("");
  const submit = () =>
    create.mutate(
      { name, expires_at: expires === "" ? null : new Date(expires).toISOString() },
      {
        onSuccess: () => {
          setName("");
          setExpires("");
        },
      },
    );
  return (
    <section className="card">
      <h2>{t.newOne}</h2>
      <Problem error={create.error} />
      <div role="status">
        {create.data && <><p>{t.shownOnce}</p><pre data-testid="key">{create.data.key}</pre></>}
      </div>
      <form action={submit}>
        <div className="grid">
          <Input label={common.name} hint={t.nameHint} required maxLength={100} value={name} onChange={(event) => setName(event.target.value)} />
          <Input label={t.expires} hint={t.expiresHint} type="datetime-local" value={expires} onChange={(event) => setExpires(event.target.value)} />
        </div>
        <button className="main" disabled={create.isPending}>{common.create}</button>
      </form>
    </section>
  );
}
