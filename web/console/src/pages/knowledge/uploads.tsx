import { newId, type Sent } from "@perdure/client";
import { useAddDocument } from "@perdure/client/react";
import { type DragEvent, useState } from "react";
import { Input } from "../../kit/forms";
import { Progress } from "../../kit/layout";
import { Problem } from "../../kit/problem";
import { useTexts } from "./texts";

interface Upload {
  key: string;
  name: string;
  sent: Sent;
  error: unknown;
}

const TYPES = ".pdf,.docx,.html,.htm,.md,.markdown,.txt,.csv,.json";

/** Takes files, sends them one after another, and tells how far each is. What could not be sent stays with the reason. */
export function Uploads({ id }: { id: string }) {
  const t = useTexts();
  const add = useAddDocument(id);
  const [uploads, setUploads] = useState<Upload[]>([]);
  const change = (key: string, fields: Partial<Upload>) =>
    setUploads((before) => before.map((each) => (each.key === key ? { ...each, ...fields } : each)));

  const send = async (files: readonly File[]) => {
    const begun = files.map((file) => ({ file, key: newId() }));
    setUploads((before) => [
      ...before.filter(({ error }) => error === null),
      ...begun.map(({ file, key }) => ({ key, name: file.name, sent: { loaded: 0, total: file.size }, error: null })),
    ]);
    for (const { file, key } of begun) {
      try {
        await add.mutateAsync({ file, onSent: (sent) => change(key, { sent }) });
        setUploads((before) => before.filter((each) => each.key !== key));
      } catch (error) {
        change(key, { error });
      }
    }
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    void send([...event.dataTransfer.files]);
  };
  return (
    <div className="card" onDragOver={(event) => event.preventDefault()} onDrop={drop}>
      <Input label={t.upload} hint={t.uploadHint} type="file" multiple accept={TYPES}
        onChange={({ target }) => {
          void send([...(target.files ?? [])]);
          // So that the same file can be chosen again.
          target.value = "";
        }} />
      {uploads.map(({ key, name, sent, error }) => (
        <div key={key}>
          <div className="row">
            <span>{name}</span>
            {error === null && <span className="quiet">{t.uploaded(percentOf(sent))}</span>}
          </div>
          {error === null ? <Progress label={t.uploading(name)} done={sent.loaded} total={sent.total} /> : <Problem error={error} />}
        </div>
      ))}
    </div>
  );
}

const percentOf = ({ loaded, total }: Sent) => (total === 0 ? 100 : Math.round((loaded / total) * 100));
